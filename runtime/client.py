"""Ask a running system through its control socket; plain blocking calls, for commands."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from ..errors import EnvironmentProblem, MendelError, NotRunning
from .views import EventView

T = TypeVar("T")


class Refused(MendelError):
    """The runtime understood but does not do it.

    Attributes:
        exit_code: what a command should return for it.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # Decided by the other side.


class ControlClient:
    """A connection to a runtime; use it as ``with ControlClient(path) as runtime:``.

    Args:
        path: of the socket.
        timeout_s: how long an answer may take.

    Raises:
        NotRunning: nobody answers there.
        EnvironmentProblem: the socket belongs to somebody else.
    """

    def __init__(self, path: Path, *, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> ControlClient:
        try:
            self._socket.connect(os.fspath(self._path))
        except PermissionError:
            self.close()
            raise EnvironmentProblem(
                f"no permission to use {self._path}", "ask as the user that runs mendel"
            ) from None
        except OSError:
            self.close()
            raise NotRunning(
                f"no runtime answers at {self._path}\n"
                "  help: start one with `mendel run CONFIG`, or name its state folder: --state"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def ask(self, verb: str, kind: type[T], **args: Any) -> T:
        """Ask for something.

        Args:
            verb: one of `mendel.runtime.verbs.VERBS`, but for ``events``.
            kind: type of the answer.
            args: of the verb.

        Raises:
            Refused: the runtime says no; the text says why.
            NotRunning: it went away, or does not answer.
        """
        self._send(verb, args)
        return msgspec.convert(self._receive().get("result"), kind)

    def wish(self, verb: str, **args: Any) -> None:
        """Ask for something to be done; raises as `ask` does."""
        self._send(verb, args)
        self._receive()

    def events(self, *, pattern: str, limit: int, follow: bool) -> Iterator[EventView]:
        """The newest events, and with ``follow`` all that come, until the runtime ends."""
        self._send("events", {"pattern": pattern, "limit": limit, "follow": follow})
        while True:
            reply = self._receive()
            if "event" in reply:
                yield msgspec.convert(reply["event"], EventView)
            elif not follow:
                return
            else:
                self._socket.settimeout(None)  # From here on silence is no fault.

    def _send(self, verb: str, args: dict[str, Any]) -> None:
        request = msgspec.json.encode({"id": 1, "verb": verb, "args": args}) + b"\n"
        try:
            self._socket.sendall(request)
        except OSError:
            raise self._gone() from None

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise NotRunning(
                f"the runtime at {self._path} has not answered for {self._timeout_s:g} s"
            ) from None
        except OSError:
            raise self._gone() from None
        if not line.endswith(b"\n"):
            raise self._gone()
        reply: dict[str, Any] = msgspec.json.decode(line)
        if "error" in reply:
            raise Refused(reply["error"]["message"], reply["error"]["exit_code"])
        return reply

    def _gone(self) -> NotRunning:
        return NotRunning(f"the runtime at {self._path} has ended")
