"""Run a world in virtual time with somebody who heals it, and tell what was decided and when.

An hour takes as long as the work that is done in it. The same world, configuration and seed give
the same outcome to the last byte, in any process: its ``sha256`` is over every decision with its
virtual time. Who heals is handed in as a function, so that this room knows nothing of the runtime;
`mendel.replay` hands in a whole system.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import takewhile, zip_longest
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from ..agents.ports import World
from ..bus.envelope import Envelope
from ..bus.local import LocalBus
from ..bus.messages import (
    ActionFinished,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalRequested,
    IncidentChanged,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    Message,
    ReleaseTarget,
    RunAction,
)
from ..bus.taps import Tap
from ..errors import ConfigError
from .scoring import Broken, Case, Measures, actions_per_target, cases, measure
from .virtual_time import run, until

# What a healer decides; readings and the life of its agents are not its decisions.
DECISIONS: tuple[type[Message], ...] = (
    AnomalyDetected,
    AnomalyCleared,
    IncidentOpened,
    IncidentDiagnosed,
    IncidentChanged,
    IncidentEscalated,
    IncidentClosed,
    ApprovalRequested,
    RunAction,
    ActionFinished,
    IsolateTarget,
    ReleaseTarget,
)

_GIST = ("target", "metric", "stage", "action", "attempt", "outcome")

# A flapping estate of a thousand components decides this much in some hours; the log ends there,
# and what it left out is counted.
DECISIONS_MAX = 100_000


class Input(Struct, frozen=True):
    """Something that is said to a healer from outside while it runs.

    Attributes:
        at_s: when, virtual time.
        message: what.
    """

    at_s: float
    message: Message


class Healer(Protocol):
    """Whoever heals a world, while its context lasts."""

    @property
    def bus(self) -> LocalBus:
        """Where its decisions can be heard."""
        ...

    async def wait(self) -> None:
        """Ends, with an error, when it cannot go on."""
        ...


Build = Callable[[World], AbstractAsyncContextManager[Healer]]


class Decision(Struct, frozen=True):
    """A decision and when it was taken.

    Attributes:
        at_s: virtual time.
        kind: name of its class.
        message: itself.
    """

    at_s: float
    kind: str
    message: Any

    @property
    def gist(self) -> tuple[str, ...]:
        """What was decided about whom, without times and names that differ between two runs."""
        return (self.kind, *(str(getattr(self.message, name, "")) for name in _GIST))


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a run.

    Attributes:
        start_s: virtual time at which it began.
        until_s: how long it was followed.
        seed: of everything random in the healer.
        sha256: of the decisions as JSON lines; equal hashes, equal runs.
        decisions: every decision, oldest first.
        left_out: further decisions that no longer fitted.
        incidents: in the order of their opening.
        actions: how often each treatment was run, by target.
        measures: how well it went.
        harm: error-minutes with the price of every action, when the world tells it.
        availability: share of the users' requests that were answered, when the world tells it.
        notes: what a reader has to know before comparing this with anything.
    """

    start_s: float
    until_s: float
    seed: int
    sha256: str
    decisions: tuple[Decision, ...]
    left_out: int
    incidents: tuple[Case, ...]
    actions: dict[str, dict[str, int]]
    measures: Measures
    harm: float | None = None
    availability: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def messages(self) -> list[Message]:
        """The decisions without their times."""
        return [each.message for each in self.decisions]


def replay(
    world: World,
    build: Build,
    until_s: float,
    seed: int = 0,
    *,
    start_s: float = 0.0,
    broken: Sequence[Broken] | None = None,
    inputs: Sequence[Input] = (),
    attend: Callable[[Any], None] = lambda _: None,
    notes: Sequence[str] = (),
) -> Outcome:
    """Run a world in virtual time and tell what was decided.

    Args:
        world: anything that keeps the protocol; one that has been run before is a used one. When
            it has functions ``harm()`` and ``availability()``, they are asked at the end.
        build: makes the healer of a world.
        until_s: how long to follow it.
        seed: that ``build`` has used; it is only told here.
        start_s: virtual time at which the healer begins.
        broken: what is known to be wrong and when; see `mendel.scenarios.scoring`.
        inputs: what people and other programs say to the healer meanwhile, in order.
        attend: called with the healer as soon as it has started, by whoever wants to watch.
        notes: remarks to hand on.

    Raises:
        ConfigError: there is no time to follow it for.
        Deadlock: everybody waits for somebody else.
        GaveUp: the healer could not go on.
        RuntimeError: an event loop is running already.
    """
    if not until_s > 0.0:
        raise ConfigError(f"until_s={until_s:g} leaves nothing to follow; it must be more than 0 s")
    log = _Log()
    harm, availability = run(_follow(world, build, log, start_s, start_s + until_s, inputs, attend))
    decisions = log.decisions
    messages = [each.message for each in decisions]
    return Outcome(
        start_s=start_s,
        until_s=until_s,
        seed=seed,
        sha256=digest(decisions),
        decisions=decisions,
        left_out=log.left_out,
        incidents=cases(messages),
        actions=actions_per_target(messages),
        measures=measure(messages, broken),
        harm=harm,
        availability=availability,
        notes=tuple(notes),
    )


def digest(decisions: Sequence[Decision]) -> str:
    """Hash of decisions as JSON lines."""
    return hashlib.sha256(msgspec.json.Encoder().encode_lines(decisions)).hexdigest()


class Difference(Struct, frozen=True):
    """Where two runs part.

    Attributes:
        alike: how many decisions of the same agent about the same target are alike before.
        this: what the one decided then; ``None`` when it had nothing more to decide.
        other: what the other did.
    """

    alike: int
    this: Decision | None
    other: Decision | None

    @property
    def at_s(self) -> float:
        """The earlier time of the two."""
        return min(each.at_s for each in (self.this, self.other) if each is not None)


def drift_s(this: Sequence[Decision], other: Sequence[Decision]) -> float:
    """The longest time between two decisions that are alike, up to where the runs part."""
    ours, theirs = _courses(this), _courses(other)
    return max((_drift_s(ours[name], theirs.get(name, [])) for name in ours), default=0.0)


def _drift_s(this: Sequence[Decision], other: Sequence[Decision]) -> float:
    alike = takewhile(lambda pair: pair[0].gist == pair[1].gist, zip(this, other, strict=False))
    return max((abs(a.at_s - b.at_s) for a, b in alike), default=0.0)


def first_difference(this: Sequence[Decision], other: Sequence[Decision]) -> Difference | None:
    """Where two runs first decide otherwise about a target; ``None`` when they never do.

    Times are left aside, and so is the order of decisions about different targets, and of what
    different agents say of one: a live run waits for disks and sockets, which no other run repeats.
    When two actions end within the time that the Coordinator takes to hear of the first, both ends
    stand before what follows from it; in virtual time it hears of the first at once.
    """
    ours, theirs = _courses(this), _courses(other)
    found = [_parting(ours.get(name, []), theirs.get(name, [])) for name in {**ours, **theirs}]
    return min((each for each in found if each), key=lambda each: each.at_s, default=None)


def _courses(decisions: Sequence[Decision]) -> dict[tuple[str, str], list[Decision]]:
    """What one agent has said of one target, in order."""
    found: dict[tuple[str, str], list[Decision]] = {}
    for each in decisions:
        found.setdefault((each.message.target, _speaker(each.message)), []).append(each)
    return found


def _speaker(message: Message) -> str:
    match message:
        case AnomalyDetected() | AnomalyCleared():
            return "monitor"
        case ActionFinished():
            return "recovery"
        case _:
            return "coordinator"


def _parting(this: Sequence[Decision], other: Sequence[Decision]) -> Difference | None:
    for index, (a, b) in enumerate(zip_longest(this, other)):
        if a is None or b is None or a.gist != b.gist:
            return Difference(index, a, b)
    return None


class _Log:
    """The decisions that go over a bus.

    One tap per type, so that readings, which are hundred times as many, need not be looked at; the
    numbers of the envelopes then say what came first.
    """

    def __init__(self) -> None:
        self._heard: list[Envelope] = []
        self._taps: list[Tap] = []
        self._too_many = 0

    def listen(self, bus: LocalBus) -> None:
        self._taps = [bus.tap(self._hear, f"{kind.topic}.>") for kind in DECISIONS]

    def close(self) -> None:
        for tap in self._taps:
            tap.close()

    @property
    def left_out(self) -> int:
        return self._too_many + sum(tap.dropped for tap in self._taps)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        heard = sorted(self._heard, key=lambda each: each.id)
        return tuple(Decision(e.sent_s, type(e.message).__name__, e.message) for e in heard)

    def _hear(self, batch: Sequence[Envelope]) -> None:
        room = max(DECISIONS_MAX - len(self._heard), 0)
        self._heard += batch[:room]
        self._too_many += len(batch[room:])


def _told(world: World, name: str) -> float | None:
    tells = getattr(world, name, None)
    return None if tells is None else float(tells())


async def _follow(
    world: World,
    build: Build,
    log: _Log,
    start_s: float,
    end_s: float,
    inputs: Sequence[Input],
    attend: Callable[[Any], None],
) -> tuple[float | None, float | None]:
    """Harm and availability, where the world tells them."""
    await until(start_s)
    async with build(world) as healer:
        log.listen(healer.bus)  # No agent has had its turn yet, so nothing is missed.
        attend(healer)
        await _first(_say(inputs, healer.bus, end_s), healer.wait())
        log.close()
        return _told(world, "harm"), _told(world, "availability")


async def _say(inputs: Sequence[Input], bus: LocalBus, end_s: float) -> None:
    for each in inputs:
        if each.at_s < end_s:
            await until(each.at_s)
            await bus.publish(each.message)
    await until(end_s)


async def _first(*waits: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
