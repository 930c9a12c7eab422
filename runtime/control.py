r"""The door of a running system: a Unix socket in its state folder that speaks lines of JSON.

A client sends ``{"id": 1, "verb": "pause", "args": {"target": "cart", "for_s": 600}}`` and gets
``{"id": 1, "result": ...}`` or ``{"id": 1, "error": {"message": ..., "exit_code": ...}}``; lines
``{"id": 1, "event": ...}`` may stand before and, when it follows the events, after the result.

    connected --line--> answered --line--> ...            --end of file, idle--> closed
                \--events, follow--> answered and followed --end of file, too slow--> closed

The file is for its owner alone: whoever may write to it may do to the estate what mendel may do.
A socket was chosen over a port because the file system then decides who that is, without a token.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import pwd
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..documents.kinds import did_you_mean
from ..errors import ConfigError, EnvironmentProblem, MendelError
from .verbs import SIGNED, VERBS, Controls, Request
from .views import EventView

_log = logging.getLogger("mendel.control")

# sun_path of struct sockaddr_un has 108 bytes on Linux, the final zero included.
SOCKET_PATH_BYTES = 107

# What clients that wait for an answer may cost of the two seconds in which mendel stops.
_CLOSE_S = 0.2


class ControlLimits(Struct, frozen=True, kw_only=True):
    """Bounds of the door.

    Attributes:
        clients: connections at once; further ones are told so and closed.
        line_bytes: longest request; a longer one ends its connection.
        unread_bytes: what a client may leave unread before it is dropped.
        idle_s: a client that neither asks nor follows for so long is closed.
    """

    clients: int = 32
    line_bytes: int = 65_536
    unread_bytes: int = 1_000_000
    idle_s: float = 300.0


class ControlStats(Struct, kw_only=True):
    """Counters since the door was opened.

    Attributes:
        requests: that were understood.
        malformed: that were not.
        refused: connections that were too many.
        dropped: clients that read too slowly.
    """

    requests: int = 0
    malformed: int = 0
    refused: int = 0
    dropped: int = 0


class ControlServer:
    """Serve the controls of a system; use it as ``async with ControlServer(path, controls):``.

    Args:
        path: of the socket; a file that a dead process left there is replaced.
        controls: what is asked.
        limits: bounds.

    Raises:
        EnvironmentProblem: on entering: a live process has the socket, or it cannot be made.
    """

    def __init__(self, path: Path, controls: Controls, limits: ControlLimits | None = None) -> None:
        self.path = path
        self.stats = ControlStats()
        self._controls = controls
        self._limits = limits or ControlLimits()
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], _Client] = {}
        self._inode = 0

    async def __aenter__(self) -> ControlServer:
        listener = _listen(self.path)
        self._inode = self.path.stat().st_ino
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=self._limits.line_bytes
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        # Their connections end under them, so that they end by themselves; only one that waits
        # for the system to answer may need more than that.
        for client in self._clients.values():
            client.abort()
        if self._clients:
            ended = await asyncio.wait(self._clients, timeout=_CLOSE_S)
            for task in ended[1]:
                task.cancel()
        # Another process may have taken the place of a file that somebody removed.
        if self.path.exists() and self.path.stat().st_ino == self._inode:
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(reader, writer, self._controls, self._limits, self.stats)
        task = asyncio.current_task()
        assert task is not None, "asyncio serves each connection in a task of its own"
        if len(self._clients) >= self._limits.clients:
            self.stats.refused += 1
            client.send({"id": None, "error": _error("too many clients; try again later")})
            writer.close()
            return
        self._clients[task] = client
        try:
            await client.converse()
        except (ConnectionError, TimeoutError):
            pass  # It went away, or had nothing to say for too long: no news to anyone.
        finally:
            del self._clients[task]
            client.close()


class _Client:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        controls: Controls,
        limits: ControlLimits,
        stats: ControlStats,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._controls = controls
        self._limits = limits
        self._stats = stats
        self._who = _peer(writer)
        self._unfollow: Callable[[], None] | None = None

    async def converse(self) -> None:
        while True:
            idle_s = None if self._unfollow else self._limits.idle_s
            try:
                async with asyncio.timeout(idle_s):
                    line = await self._reader.readline()
            except ValueError:  # Longer than the limit; where the next one begins is unknown.
                message = f"a request has at most {self._limits.line_bytes} bytes"
                self._reject(None, message)
                return
            if not line:
                return
            if line.strip():
                await self._answer(line)
                async with asyncio.timeout(self._limits.idle_s):
                    await self._writer.drain()

    def send(self, reply: dict[str, Any]) -> None:
        """Write a line; a client that does not read what it was sent is let go."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._limits.unread_bytes:
            self._stats.dropped += 1
            transport.abort()
            return
        self._writer.write(msgspec.json.encode(reply) + b"\n")

    def abort(self) -> None:
        """End the connection at once, whatever is still to be sent."""
        self._writer.transport.abort()

    def close(self) -> None:
        """End the connection, and what it follows."""
        if self._unfollow:
            self._unfollow()
        self._writer.close()

    async def _answer(self, line: bytes) -> None:
        request = Request(verb="")
        try:
            request = msgspec.json.decode(line, type=Request)
            args = self._args(request)
        except (msgspec.MsgspecError, ValueError) as error:
            self._reject(request.id, str(error))
            return
        self._stats.requests += 1
        try:
            result = await self._do(request, args)
        except ConfigError as error:
            # A name that is not known: a no, and nothing that a file would be to blame for.
            self.send({"id": request.id, "error": _error(str(error))})
        except MendelError as error:
            self.send({"id": request.id, "error": _error(str(error), error.exit_code)})
        except Exception as error:  # noqa: BLE001  # A bug behind one verb closes no door.
            _log.exception("verb %s failed", request.verb)
            message = f"{request.verb} failed: {type(error).__name__}: {error}"
            self.send({"id": request.id, "error": _error(message, 70)})
        else:
            self.send({"id": request.id, "result": result})

    def _args(self, request: Request) -> dict[str, Any]:
        kind = VERBS.get(request.verb)
        if kind is None:
            help_text = did_you_mean(request.verb, list(VERBS), "verbs")
            raise ValueError(f"unknown verb {request.verb!r}; {help_text}")
        try:
            return structs.asdict(msgspec.convert(request.args, kind))
        except msgspec.ValidationError as error:
            raise ValueError(f"{request.verb}: {error}") from None

    async def _do(self, request: Request, args: dict[str, Any]) -> Any:
        if request.verb == "events":
            return self._events(request, **args)
        if request.verb in SIGNED:
            args["who"] = self._who
        return await getattr(self._controls, request.verb)(**args)

    def _events(self, request: Request, *, pattern: str, limit: int, follow: bool) -> int:
        def send(events: Sequence[EventView]) -> None:
            for event in events:
                self.send({"id": request.id, "event": event})

        recent = self._controls.recent_events(pattern=pattern, limit=limit)
        send(recent)
        if follow:
            if self._unfollow:
                self._unfollow()
            self._unfollow = self._controls.follow_events(pattern=pattern, callback=send)
        return len(recent)

    def _reject(self, request_id: int | str | None, reason: str) -> None:
        self._stats.malformed += 1
        self.send({"id": request_id, "error": _error(f"bad request: {reason}", 2)})


def _error(message: str, exit_code: int = 1) -> dict[str, Any]:
    return {"message": message, "exit_code": exit_code}


def _peer(writer: asyncio.StreamWriter) -> str:
    """Name of the user at the other end; the kernel says so, not the client."""
    connection = writer.get_extra_info("socket")
    _, uid, _ = peer_credentials(connection)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def peer_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end of a Unix socket; process 0 where it is not told."""
    if not hasattr(socket, "SO_PEERCRED"):  # Not Linux: the file lets nobody in but its owner.
        return 0, os.getuid(), os.getgid()
    layout = struct.Struct("3i")
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    pid, uid, gid = layout.unpack(packed)
    return pid, uid, gid


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise EnvironmentProblem(
            f"the path of the control socket is longer than {SOCKET_PATH_BYTES} bytes: {path}",
            "set runtime.state to a shorter path",
        )
    clear_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The file is private from its first moment on; what other threads make meanwhile is, too.
    umask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise EnvironmentProblem(
            f"cannot open the control socket {path}: {error.strerror}",
            "the state folder must exist and be writable",
        ) from error
    finally:
        os.umask(umask)
    return listener


def clear_socket(path: Path) -> None:
    """Remove the socket of a process that is gone.

    A runtime does this before it touches anything of the world, so that a second one in the same
    state folder is refused in time.

    Raises:
        EnvironmentProblem: somebody still listens there, or it is no socket.
    """
    if not path.exists():
        return
    if not path.is_socket():
        raise EnvironmentProblem(
            f"{path} is in the way: it is no socket", "move it, or set runtime.state"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
            # Anything else is told by `bind`, with its own reason.
            return
        pid, _, _ = peer_credentials(probe)
    raise EnvironmentProblem(
        f"mendel is already running (pid {pid}) with the state folder {path.parent}",
        f"see `mendel status --state {path.parent}`, stop it, or set runtime.state",
    )
