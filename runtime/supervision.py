"""What a supervisor runs, what it tells, and how its children stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct


class Child(Protocol):
    """What a supervisor can run; its factory builds a fresh one for each life."""

    async def run(self) -> None:
        """Live until the work is done, something fails or the task is cancelled."""
        ...


Factory = Callable[[], Child]


class Started(Struct, frozen=True):
    """A child runs.

    Attributes:
        supervisor: whose child.
        child: its name.
        restarts: how often it has been restarted.
        at_s: loop time.
    """

    supervisor: str
    child: str
    restarts: int
    at_s: float


class Crashed(Struct, frozen=True):
    """A child ended that was meant to run.

    Attributes:
        supervisor: whose child.
        child: its name.
        error: type and text of what ended it.
        verdict: what the supervisor does about it.
        at_s: loop time.
        exception: the error itself, with its traceback; ``None`` if it returned or was killed.
    """

    supervisor: str
    child: str
    error: str
    verdict: str
    at_s: float
    exception: BaseException | None = None


class Stopped(Struct, frozen=True):
    """A child ended and is not restarted, or is restarted together with another.

    Attributes:
        supervisor: whose child.
        child: its name.
        reason: why, in words.
        at_s: loop time.
        left_behind: whether it did not stop in time; it may still be running.
    """

    supervisor: str
    child: str
    reason: str
    at_s: float
    left_behind: bool = False


State = Literal["running", "waiting", "ended"]
Event = Started | Crashed | Stopped


class ChildStatus(Struct, frozen=True):
    """How a child stands.

    Attributes:
        name: which child.
        state: ``running``, ``waiting`` (for its restart) or ``ended``.
        restarts: how often it has been restarted.
        error: what ended it last, or empty.
    """

    name: str
    state: State
    restarts: int
    error: str
