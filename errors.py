"""All errors of this package, in one family.

The text of an error is for people: it says what was found, where, and what was expected. Programs
find the same in attributes. ``exit_code`` is what the ``mendel`` command returns when an error of
that kind ends it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar


class MendelError(Exception):
    """Catch this to catch every error that mendel knows of."""

    exit_code: ClassVar[int] = 1


class Problem:
    """One thing that is wrong with an input, where, and what would be right.

    Attributes:
        code: stable identifier for documentation and tests (``MD101``).
        message: what is wrong, in one line, with the value found.
        place: path of the field in the input (``components[0].probes[0].evry``); may be empty.
        source: file the input came from, or empty.
        line: 1-based line in ``source``; 0 when unknown.
        excerpt: the text of that line, without its end; may be empty.
        suggestion: what would be right, or empty.
    """

    __slots__ = ("code", "excerpt", "line", "message", "place", "source", "suggestion")

    def __init__(
        self,
        code: str,
        message: str,
        *,
        place: str = "",
        source: str = "",
        line: int = 0,
        excerpt: str = "",
        suggestion: str = "",
    ) -> None:
        self.code = code
        self.message = message
        self.place = place
        self.source = source
        self.line = line
        self.excerpt = excerpt
        self.suggestion = suggestion

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        if self.source or self.place:
            where = f"{self.source}:{self.line}" if self.line else self.source
            lines.append("  --> " + (f"{where}  ({self.place})" if self.place else where))
        if self.excerpt:
            lines.append(f"{self.line:>4}| {self.excerpt}")
        if self.suggestion:
            lines.append(f"    | help: {self.suggestion}")
        return "\n".join(lines)


class ConfigError(MendelError, ValueError):  # msgspec adds the path to a ValueError.
    """Settings do not make sense, and none of them has taken effect.

    Attributes:
        problems: everything that is wrong, in the order of the file; may be empty when the error
            was raised below the reader of files, which then adds the place.
    """

    exit_code = 3

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class PluginError(MendelError):
    """A plug-in could not be loaded or does not keep its contract; the rest runs on.

    Attributes:
        place: where it was named (entry point or line of the configuration).
        reason: what is wrong with it.
    """

    exit_code = 3

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class WorkerLost(MendelError):
    """The process that evolves is gone, or talks nonsense; the rows that it has told are whole."""


class EnvironmentProblem(MendelError):
    """The machine lacks what is needed: a port, a permission, a command, an extra.

    Attributes:
        remedy: what the user can do about it, as a sentence or a command.
    """

    exit_code = 4

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}\n  help: {remedy}" if remedy else message)
        self.remedy = remedy


class OverLimit(MendelError):
    """An agent uses more than it may, and goes on doing so although it was held back."""


class NotRunning(MendelError):
    """No runtime answers at the given place."""

    exit_code = 5


class NoData(MendelError):
    """A probe could not look, which says nothing of its target: neither up nor down."""


class StoreError(MendelError):
    """The store cannot keep its promise: the file is unreadable, full, locked or corrupt."""

    exit_code = 4


class RecordingError(MendelError):
    """A recording cannot be written, or nothing of it can be read.

    What is damaged in part is no error: the reader tells beside what it could read.

    Attributes:
        path: which file.
        reason: what is wrong with it.
    """

    exit_code = 4

    def __init__(self, path: str, reason: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {reason}" + (f"\n  help: {remedy}" if remedy else ""))
        self.path = path
        self.reason = reason


class BusError(MendelError):
    """Base of what goes wrong with the delivery of a message."""


class SubjectError(BusError, ValueError):
    """A subject or pattern is not well formed."""


class MessageError(BusError, ValueError):
    """Data from outside is not a message that this program knows.

    Attributes:
        name: name of the message type, or empty when it could not be read.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class NoResponders(BusError):
    """A request was sent to a subject that nobody listens to.

    Attributes:
        subject: where it was sent.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(f"nobody listens to {subject!r}")
        self.subject = subject


class RequestTimeout(BusError, TimeoutError):
    """A request was not answered before its deadline.

    Attributes:
        subject: where it was sent.
        timeout_s: how long the sender waited.
    """

    def __init__(self, subject: str, timeout_s: float) -> None:
        super().__init__(f"no answer from {subject!r} within {timeout_s:.3g} s")
        self.subject = subject
        self.timeout_s = timeout_s


class RequestFailed(BusError):
    """The responder failed, dropped or refused the request, so there will be no answer.

    Attributes:
        subject: where it was sent.
        reason: why there is no answer.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"request to {subject!r} failed: {reason}")
        self.subject = subject
        self.reason = reason


class AskCycle(BusError):
    """A request would wait for an agent that already waits for the one that asks.

    Attributes:
        path: names of the agents that would wait for each other, the asking one first and last.
    """

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__("ask cycle: " + " -> ".join(path))
        self.path = tuple(path)


class BusClosed(BusError):
    """The bus has been shut down and takes no more messages."""


class CallNotPermitted(MendelError):
    """A guard refused a call; its target has not seen anything of it.

    Attributes:
        target: whom the call was meant for.
        state: of its circuit, or the name of the limit that refused.
        retry_after_s: in how many seconds it is worth trying again.
    """

    # What it is made of is what Python keeps as `args` anyway; without a constructor it costs half
    # as much, and an open circuit raises it for every call.

    @property
    def target(self) -> str:
        """The protected service."""
        return str(self.args[0])

    @property
    def state(self) -> str:
        """State of its circuit, or the limit that refused."""
        return str(self.args[1])

    @property
    def retry_after_s(self) -> float:
        """Seconds until a call may be permitted."""
        return float(self.args[2])

    def __str__(self) -> str:  # Not before it is asked for: most rejections are only caught.
        if self.retry_after_s == math.inf:
            then = "it has to be released first"
        else:
            then = f"retry in {self.retry_after_s:.3g} s"
        return f"call to {self.target!r} is not permitted ({self.state}); {then}"


class GaveUp(MendelError):
    """A supervisor has stopped its children and itself, because restarts did not help.

    Attributes:
        supervisor: which one.
        child: whose failure was the last.
        reason: how many restarts there were, and how many are allowed.
    """

    def __init__(self, supervisor: str, child: str, reason: str) -> None:
        super().__init__(f"supervisor {supervisor!r} gave up on {child!r}: {reason}")
        self.supervisor = supervisor
        self.child = child
        self.reason = reason


class VirtualTimeError(MendelError, RuntimeError):
    """Something in virtual time needs the real world: a thread, a process, a real clock."""


class Deadlock(VirtualTimeError):
    """Nothing can ever happen again in virtual time: everybody waits, and no timer is set.

    Attributes:
        now_s: virtual time at which everything stopped.
        waiting: who waits, where and for what, one line each.
    """

    def __init__(self, now_s: float, waiting: Sequence[str]) -> None:
        lines = "".join(f"\n  {line}" for line in waiting)
        super().__init__(f"deadlock at {now_s:g} s: nothing is ready and no timer is set{lines}")
        self.now_s = now_s
        self.waiting = tuple(waiting)
