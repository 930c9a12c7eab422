"""One of the demo's services: answers when all that it needs answers, and falls ill on command.

    python -m mendel.runtime.demo.service --name cart --port 8001 --calls db=http://127.0.0.1:8002

``GET /`` and ``GET /health`` do the same work: they call the dependencies, in parallel. The check
is deep on purpose: the callers of a sick service look sick too, as they do in real life, and it is
for the healer to tell who is to blame. ``POST /circuit`` opens the circuit to a dependency, which
is then not called and named under ``degraded``; ``POST /fault`` makes the service ill (see
`mendel.runtime.demo.illness`). Both need the token of the environment variable
``MENDEL_DEMO_TOKEN``.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from .illness import FaultOrder, Illness
from .wire import HOST, HttpServer, Reply, Request, call

TOKEN_HEADER = "x-demo-token"  # noqa: S105 - the name of the header, not a secret
TOKEN_VARIABLE = "MENDEL_DEMO_TOKEN"  # noqa: S105 - the name of the variable, not a secret
CALL_TIMEOUT_S = 0.6
WATCH_PARENT_S = 0.25
PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.


class CircuitOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /circuit``: call a dependency (``closed``) or do without it (``open``)."""

    dependency: str
    state: Literal["open", "closed"]


class Service:
    """The work of one service, apart from its process.

    Args:
        name: how it is called in its answers.
        calls: base URL of each service that it needs, by name.
        token: what a ``POST`` must bring; an empty one allows none.
        port: where it listens; 0 lets the kernel choose.
    """

    def __init__(self, name: str, calls: Mapping[str, str], token: str, port: int = 0) -> None:
        self.name = name
        self.server = HttpServer(self.answer, port)
        self.illness = Illness()
        self._calls = dict(calls)
        self._token = token
        self._isolated: set[str] = set()

    async def run(self) -> None:
        """Listen, except while it is down; never returns.

        Raises:
            OSError: the port is taken.
        """
        while True:
            self.illness.changed.clear()
            if self.illness.order.symptom == "down":
                self.server.close()
            else:
                await self.server.open()
            await self.illness.changed.wait()

    async def answer(self, request: Request) -> Reply:
        """Reply to one request."""
        try:
            match request.method, request.path:
                case "GET", "/" | "/health":
                    return await self._work()
                case "POST", "/circuit" | "/fault" if not self._trusts(request):
                    return Reply(403, {"error": f"the header {TOKEN_HEADER} is missing or wrong"})
                case "POST", "/circuit":
                    return self._switch(msgspec.json.decode(request.body, type=CircuitOrder))
                case "POST", "/fault":
                    return self._suffer(msgspec.json.decode(request.body, type=FaultOrder))
        except msgspec.MsgspecError as error:
            return Reply(400, {"error": str(error)})
        return Reply(404, {"error": f"there is no {request.method} {request.path} here"})

    async def _work(self) -> Reply:
        await asyncio.sleep(self.illness.latency_s)
        if self.illness.fails_now():
            return Reply(500, {"service": self.name, "failed": {self.name: "internal error"}})
        degraded = [name for name in self._calls if name in self._isolated]
        called = {name: url for name, url in self._calls.items() if name not in degraded}
        replies = await asyncio.gather(
            *(call(url, timeout_s=CALL_TIMEOUT_S) for url in called.values())
        )
        failed: dict[str, str] = {}
        for name, reply in zip(called, replies, strict=True):
            if reply.succeeded:
                degraded += reply.body.get("degraded", [])
            else:
                failed[name] = reply.detail or f"HTTP {reply.status}"
        return Reply(
            503 if failed else 200,
            {"service": self.name, "degraded": degraded, "failed": failed},
        )

    def _trusts(self, request: Request) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())

    def _switch(self, order: CircuitOrder) -> Reply:
        if order.dependency not in self._calls:
            known = ", ".join(self._calls) or "nobody"
            return Reply(400, {"error": f"{self.name} calls {known}, not {order.dependency!r}"})
        if order.state == "open":
            self._isolated.add(order.dependency)
        else:
            self._isolated.discard(order.dependency)
        say(f"{self.name}: the circuit to {order.dependency} is {order.state}")
        return Reply(200, {"isolated": sorted(self._isolated)})

    def _suffer(self, order: FaultOrder) -> Reply:
        self.illness.begin(order)
        say(f"{self.name}: told to be ill: {order.symptom}")
        return Reply(200, {"symptom": order.symptom})


async def die_with(parent: int) -> None:
    """Return when the process that started this one is gone, however it went.

    Where the kernel offers it, it is asked to kill this process then: a process that is stopped
    (SIGSTOP) cannot look for itself, and would outlive everybody.
    """
    if sys.platform == "linux":
        import ctypes  # Late: only here, and a service should start fast.

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody would set an event when it ends
        await asyncio.sleep(WATCH_PARENT_S)


async def serve(service: Service, *, boot_s: float, parent: int) -> None:
    """Boot, then serve until the parent is gone; a parent of 0 is never gone."""
    watch = asyncio.create_task(die_with(parent)) if parent else None
    await asyncio.sleep(boot_s)
    work = asyncio.create_task(service.run())
    say(f"{service.name}: ready")
    await asyncio.wait({work, watch} if watch else {work}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()


def say(line: str) -> None:
    """Write a line to the log of the service."""
    sys.stderr.write(line + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one service; the exit status is 4 when its port is taken."""
    parser = argparse.ArgumentParser(prog="mendel.runtime.demo.service", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--boot-s", type=float, default=0.0, help="how long it takes to start")
    parser.add_argument("--parent", type=int, default=0, help="process to end with")
    given = parser.parse_args(arguments)
    calls = dict(each.split("=", 1) for each in given.calls)
    service = Service(given.name, calls, os.environ.get(TOKEN_VARIABLE, ""), given.port)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ends at once, like SIGTERM: there is no state.
    try:
        asyncio.run(serve(service, boot_s=given.boot_s, parent=given.parent))
    except OSError as error:
        say(f"{given.name}: cannot listen on {HOST}:{given.port}: {error.strerror}")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
