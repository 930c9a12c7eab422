"""The six faults of the demo: which, when and to whom by the seed, and how each is made real."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from random import Random

import msgspec
from msgspec import Struct

from ...errors import MendelError
from .illness import WELL, FaultOrder, Symptom
from .service import TOKEN_HEADER
from .wire import Reply, call

START_S = 5.0  # Until all services are up and seen healthy: 2 s each on two slow cores, with room.
SLOT_S = 9.0  # One fault with the quiet around it; six of them and the start fit into a minute.
WINDOW_S = 7.5  # How long a fault lasts at most; healing takes 4 s to 6 s of them.
QUIET_S = (0.5, 1.3)  # Least and most quiet before a fault, so that it cannot be expected.
ORDER_TIMEOUT_S = 1.0


class FaultKind(StrEnum):
    """What is done to a service."""

    CRASH = "crash"
    HANG = "hang"
    SLOW = "slow"
    FAILING = "failing"
    LEAK = "leak"
    DEPENDENCY_DOWN = "dependency_down"


class FaultMode(Struct, frozen=True):
    """One entry of the catalogue.

    Attributes:
        targets: services it may befall; the seed draws one.
        words: what happens, for people; ``{target}`` is filled in.
        symptom: what the service is told to suffer from; empty for what is done to its process.
    """

    targets: tuple[str, ...]
    words: str
    symptom: Symptom | None = None


CATALOGUE: Mapping[FaultKind, FaultMode] = {
    FaultKind.CRASH: FaultMode(("db",), "kill -9 {target}"),
    FaultKind.HANG: FaultMode(("cart",), "SIGSTOP: {target} hangs"),
    FaultKind.SLOW: FaultMode(("catalog", "payment"), "{target} answers 800 ms later", "slow"),
    FaultKind.FAILING: FaultMode(("payment", "catalog"), "{target}: 80 % HTTP 500", "failing"),
    FaultKind.LEAK: FaultMode(("catalog", "cart"), "{target} leaks 40 MB/s", "leak"),
    FaultKind.DEPENDENCY_DOWN: FaultMode(("db",), "{target} stops listening", "down"),
}


class Fault(Struct, frozen=True, kw_only=True):
    """A fault that is planned.

    Attributes:
        kind: what.
        target: to whom.
        at_s: when at the earliest, seconds after the services are up.
        window_s: after this time it is lifted, healed or not.
        seed: of what is drawn while it lasts.
    """

    kind: FaultKind
    target: str
    at_s: float
    window_s: float
    seed: int

    @property
    def words(self) -> str:
        """What happens, for people."""
        return CATALOGUE[self.kind].words.format(target=self.target)


def plan_faults(seed: int, duration_s: float) -> tuple[Fault, ...]:
    """As many faults as fit into a run, the start of the services included.

    All six kinds come, in an order drawn from the seed, before one comes again. The same seed and
    duration give the same plan on every machine.
    """
    random = Random(seed)  # noqa: S311 - a plan that can be repeated, not a secret
    kinds = _endless_kinds(random)
    return tuple(
        Fault(
            kind=(kind := next(kinds)),
            target=random.choice(CATALOGUE[kind].targets),
            at_s=slot * SLOT_S + random.uniform(*QUIET_S),
            window_s=WINDOW_S,
            seed=random.randrange(2**31),
        )
        for slot in range(max(0, int((duration_s - START_S) // SLOT_S)))
    )


def _endless_kinds(random: Random) -> Iterator[FaultKind]:
    while True:
        kinds = list(FaultKind)
        random.shuffle(kinds)
        yield from kinds


class InjectionFailed(MendelError):
    """A fault could not be made real, so there is nothing to heal.

    Attributes:
        fault: which.
        reason: what stood in the way.
    """

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(f"{fault.words}: cannot be done: {reason}")
        self.fault = fault
        self.reason = reason


class Injector:
    """Makes one fault at a time real, and ends it.

    Args:
        urls: base URL of each service.
        token: what the services want to see before they fall ill.
        pid_of: process id of a service; None while it does not run.
    """

    def __init__(
        self, urls: Mapping[str, str], token: str, pid_of: Callable[[str], int | None]
    ) -> None:
        self._urls = urls
        self._token = token
        self._pid_of = pid_of
        self._stopped: int | None = None

    async def inject(self, fault: Fault) -> None:
        """Let it happen.

        Raises:
            InjectionFailed: the service does not run or does not take the order.
        """
        symptom = CATALOGUE[fault.kind].symptom
        if symptom is None:
            self._signal(fault)
            return
        order = FaultOrder(symptom=symptom, for_s=fault.window_s, seed=fault.seed)
        reply = await self._send(fault.target, order)
        if not reply.succeeded:
            reason = reply.detail or f"HTTP {reply.status}: {reply.body}"
            raise InjectionFailed(fault, reason)

    async def lift(self, fault: Fault) -> None:
        """End it, if it has not ended; one that cannot be reached ends by itself in its time.

        A crashed process stays dead: only a restart heals that.
        """
        stopped, self._stopped = self._stopped, None
        if stopped is not None and stopped == self._pid_of(fault.target):
            os.kill(stopped, signal.SIGCONT)
        if CATALOGUE[fault.kind].symptom is not None:
            await self._send(fault.target, WELL)

    def _signal(self, fault: Fault) -> None:
        pid = self._pid_of(fault.target)
        if pid is None or pid <= 1:  # 0 would be everybody in our own process group.
            raise InjectionFailed(fault, f"{fault.target} does not run")
        try:
            os.kill(pid, signal.SIGKILL if fault.kind is FaultKind.CRASH else signal.SIGSTOP)
        except ProcessLookupError:
            raise InjectionFailed(fault, f"{fault.target} (pid {pid}) is gone") from None
        if fault.kind is FaultKind.HANG:
            self._stopped = pid

    async def _send(self, target: str, order: FaultOrder) -> Reply:
        return await call(
            f"{self._urls[target]}/fault",
            method="POST",
            body=msgspec.to_builtins(order),
            headers={TOKEN_HEADER: self._token},
            timeout_s=ORDER_TIMEOUT_S,
        )
