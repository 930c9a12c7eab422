"""A supervisor owns one task per child and restarts what fails; `mendel.core.restarts` decides.

It knows nothing of the bus, because it has to survive it: what happens is told to a callback. All
that it does, it does one after the other in its own task, fed by a queue of exits and due restarts;
an exit of a task that is not the current one of its child is old news, so nothing runs twice.

A supervisor is itself a child that another one can supervise: when it gives up, it fails with
`GaveUp`, and its supervisor decides what follows. Cancelling `Supervisor.run` is how it is stopped.

Task groups were turned down: one child that fails would cancel its siblings, and one that does not
stop would hold up all others; here such a child is left behind, loudly, when its time is up.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from ..core.restarts import ChildSpec, Ended, GivenUp, Restarted, Restarts, SupervisorSpec
from ..errors import GaveUp
from ..scenarios.virtual_time import describe_task
from .supervision import ChildStatus, Crashed, Event, Factory, Started, State, Stopped

_log = logging.getLogger("mendel.supervisor")

# Tasks that did not stop in time; the event loop holds tasks only weakly.
_left_behind: set[asyncio.Task[None]] = set()


class _Seat:
    """The place of one child through all its lives."""

    def __init__(self, spec: ChildSpec, factory: Factory) -> None:
        self.spec = spec
        self.factory = factory
        self.task: asyncio.Task[None] | None = None
        self.is_stopping = False
        self.ticket: object = None  # Of the restart that it waits for.
        self.starts = 0
        self.error = ""

    async def live(self) -> None:
        """One life; what the factory raises is a crash like any other."""
        await self.factory().run()

    @property
    def status(self) -> ChildStatus:
        """How the child stands."""
        state: State = "ended" if self.ticket is None else "waiting"
        return ChildStatus(
            name=self.spec.name,
            state=state if self.task is None else "running",
            restarts=max(0, self.starts - 1),
            error=self.error,
        )


class _Exit(Struct, frozen=True):
    seat: _Seat
    task: asyncio.Task[None]


class _Due(Struct, frozen=True):
    seats: Sequence[_Seat]
    ticket: object


class Supervisor:
    """Runs children in order, restarts those that fail, stops them in reverse order.

    What it was given at the beginning is what it begins with again, when it is itself restarted by
    a factory; children that were added later are then gone, as in OTP.

    Args:
        name: for events, tasks and errors.
        spec: strategy, limits and pauses.
        children: the first children, in the order in which they start.
        rng: seeded; shortens the pauses.
        on_event: told of everything at once; it must not block. What it raises is logged.

    Raises:
        ConfigError: two children have the same name.
    """

    def __init__(
        self,
        name: str,
        spec: SupervisorSpec,
        children: Iterable[tuple[ChildSpec, Factory]],
        *,
        rng: random.Random,
        on_event: Callable[[Event], None],
    ) -> None:
        self.name = name
        self.spec = spec
        self._restarts = Restarts(spec, rng.random)
        self._on_event = on_event
        self._seats: dict[str, _Seat] = {}
        # Never longer than two entries per life of a child: its exit and its restart.
        self._inbox: asyncio.Queue[_Exit | _Due] = asyncio.Queue()
        self._context = contextvars.copy_context()
        self._is_running = False
        for child, factory in children:
            self.add(child, factory)

    async def run(self) -> None:
        """Supervise until cancelled; all children are stopped, or left behind, when it returns.

        A second cancellation, while they are being stopped, leaves behind all that still run.

        Raises:
            GaveUp: restarts did not help.
        """
        self._is_running = True
        try:
            for seat in list(self._seats.values()):
                self._start(seat)
            while True:
                await self._handle(await self._inbox.get())
        finally:
            self._is_running = False
            await self._stop_all(list(reversed(self._seats.values())), "the supervisor stops")

    def add(self, child: ChildSpec, factory: Factory) -> None:
        """Take one more child, the last in the order; it starts at once in a running supervisor.

        Raises:
            ConfigError: there is a child of this name.
        """
        self._restarts.add(child)
        seat = self._seats[child.name] = _Seat(child, factory)
        if self._is_running:
            self._start(seat)

    async def remove(self, name: str) -> None:
        """Stop a child and forget it; one that is not known is no error.

        A child cannot remove itself: it would wait for its own end.
        """
        self._restarts.remove(name)
        seat = self._seats.pop(name, None)
        if seat is not None:
            seat.ticket = None
            await self._stop_all([seat], "removed")

    def status(self) -> tuple[ChildStatus, ...]:
        """How each child stands, in order; temporary ones that ended are forgotten."""
        return tuple(seat.status for seat in self._seats.values())

    async def _handle(self, event: _Exit | _Due) -> None:
        match event:
            case _Exit(seat, task) if seat.task is task and self._holds(seat):
                await self._on_exit(seat, task)
            case _Due(seats, ticket):
                for seat in seats:
                    if seat.ticket is ticket:
                        self._start(seat)
            case _:
                pass  # Old news: somebody else has stopped this life.

    def _holds(self, seat: _Seat) -> bool:
        return self._seats.get(seat.spec.name) is seat

    def _start(self, seat: _Seat) -> None:
        seat.ticket = None
        seat.is_stopping = False
        seat.starts += 1
        # Not in the context of whoever added the child: it would inherit that one's cause.
        seat.task = asyncio.get_running_loop().create_task(
            seat.live(), name=f"{self.name}/{seat.spec.name}", context=self._context.copy()
        )
        seat.task.add_done_callback(lambda task: self._inbox.put_nowait(_Exit(seat, task)))
        self._restarts.on_started(seat.spec.name, self._now_s())
        self._tell(Started(self.name, seat.spec.name, seat.starts - 1, self._now_s()))

    async def _on_exit(self, seat: _Seat, task: asyncio.Task[None]) -> None:
        name, seat.task = seat.spec.name, None
        exception = None if task.cancelled() else task.exception()
        failed = task.cancelled() or exception is not None
        seat.error = _error(task)
        verdict = self._restarts.on_exit(name, failed=failed, now_s=self._now_s())
        match verdict:
            case Ended() if not failed:
                self._tell(Stopped(self.name, name, "finished", self._now_s()))
                self._forget_temporary(seat)
            case Ended():
                self._tell_crash(seat, exception, "no restart")
                self._forget_temporary(seat)
            case Restarted(delay_s=delay_s):
                self._tell_crash(seat, exception, f"restart in {delay_s:.3g} s")
                await self._restart(seat, verdict)
            case GivenUp(reason):
                self._tell_crash(seat, exception, f"give up: {reason}")
                raise GaveUp(self.name, name, reason) from exception

    async def _restart(self, failed: _Seat, verdict: Restarted) -> None:
        # The ticket comes first: whoever is removed or added while others stop is not started.
        due = _Due([self._seats[name] for name in verdict.start], ticket=object())
        for seat in due.seats:
            seat.ticket = due.ticket
        for seat in [self._seats[name] for name in verdict.stop]:
            await self._stop(seat, f"restarted with {failed.spec.name}", seat.spec.shutdown_s)
            self._forget_temporary(seat)
        asyncio.get_running_loop().call_later(verdict.delay_s, self._inbox.put_nowait, due)

    def _forget_temporary(self, seat: _Seat) -> None:
        if seat.spec.restart == "temporary" and self._holds(seat):
            del self._seats[seat.spec.name]

    async def _stop_all(self, seats: Sequence[_Seat], reason: str) -> None:
        deadline_s = self._now_s() + self.spec.shutdown_s
        try:
            for seat in seats:
                left_s = max(0.0, deadline_s - self._now_s())
                await self._stop(seat, reason, min(seat.spec.shutdown_s, left_s))
        finally:
            for seat in seats:  # None runs, unless this was cancelled: then nobody has time left.
                if seat.task is not None:
                    seat.task.cancel()
                    self._account_for(seat, seat.task, reason)

    async def _stop(self, seat: _Seat, reason: str, within_s: float) -> None:
        task = seat.task
        if task is None:
            return
        if not seat.is_stopping:  # A second request would break off the clean-up of the child.
            seat.is_stopping = True
            task.cancel()
        await asyncio.wait({task}, timeout=within_s)
        if seat.task is task:  # Else somebody else has waited for it too, and was first.
            self._account_for(seat, task, reason)

    def _account_for(self, seat: _Seat, task: asyncio.Task[None], reason: str) -> None:
        """Tell how a child ended that was asked to stop, or that it did not."""
        seat.task = None
        if not task.done():
            seat.error = "did not stop"
            _left_behind.add(task)
            task.add_done_callback(_ended_at_last)
            _log.error("left behind, it does not stop: %s", describe_task(task))
        elif not task.cancelled() and task.exception() is not None:
            seat.error = _error(task)
            reason = f"{reason}; it failed meanwhile: {seat.error}"
        now_s, left_behind = self._now_s(), not task.done()
        self._tell(Stopped(self.name, seat.spec.name, reason, now_s, left_behind))

    def _tell_crash(self, seat: _Seat, exception: BaseException | None, verdict: str) -> None:
        now_s = self._now_s()
        self._tell(Crashed(self.name, seat.spec.name, seat.error, verdict, now_s, exception))

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - the border to whoever listens; supervision goes on.
            _log.exception("the listener of supervisor %r failed on %r", self.name, event)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _error(task: asyncio.Task[None]) -> str:
    """Type and text of what ended a task."""
    if task.cancelled():
        return "killed"
    exception = task.exception()
    return "returned" if exception is None else f"{type(exception).__name__}: {exception}"


def _ended_at_last(task: asyncio.Task[None]) -> None:
    _left_behind.discard(task)
    _log.warning("%s, which was left behind, ended: %s", task.get_name(), _error(task))
