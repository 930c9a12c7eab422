"""A recording as a `World`: its rows are what probes see, at the times at which they were seen.

What is done to it is written down and changes nothing: a recording cannot show what another action
would have done. So it is judged on detection and decisions only, never on healing. An action that
was run in the recording ends when and as it did then, or takes as long when it is ordered at
another time; any other one succeeds at once.

The file is read twice: once before the run, to know who is in it, and once along with the run,
never further ahead than `AHEAD_S`; so its size does not matter.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import deque
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from ..agents.ports import Action, ActionResult, IntentStatus, Sample, World
from ..bus.messages import ActionFinished
from ..core.incidents.treatment import ASIDE
from ..core.playbook import DEFAULT_PLANS
from ..core.records import IntentRecord
from ..core.topology import Component
from ..core.watching.watch import CALLS
from ..errors import NoData
from .contents import Done, Lane, is_of_calls, survey
from .recording import Event, Record, Recording, Row
from .virtual_time import settle, until

# Rows are looked for this far ahead of the present; rows that are further apart are as well found,
# only that one look in vain is spent for each such time.
AHEAD_S = 60.0

# Probes wake up this much before their row, so that no rounding can make them late for it.
_EARLY_S = 1e-6
_TIMEOUT_S = 1.0

# A live system counts guarded calls once a second. When nothing was told of them for longer, there
# were too few: that is to be told as well, for it takes back what they had shown.
_CALLS_S = 1.5

# An action that is ordered this close to the time at which it was then is the same one: a live
# system waits for its disk before it acts, which a replay does not.
_SAME_S = 1.0

# Records of one moment that are looked at together; whoever has more has no order among them.
_MOMENT_MAX = 10_000

# Rows of one moment keep their order up to this many; foreign recordings have thousands of them.
_TIES_MAX = 16


class RecordedWorld:
    """A recording to be watched and decided about.

    Args:
        path: the recording.
        like: a world that is configured as the recorded one was. Nothing is done to it; its
            components, its actions and how often its probes look are taken over.

    Attributes:
        contents: what is known of the recording.
        ordered: what was to be done: when, what, to whom.

    Raises:
        RecordingError: it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], like: World | None = None) -> None:
        with Recording(path) as recording:
            self.contents = survey(recording)
        self.ordered: list[tuple[float, str, str]] = []
        declared = like.components if like is not None else ()
        known = {each.name for each in declared}
        others = [each for each in self.contents.components if each.name not in known]
        self.components: Sequence[Component] = (*declared, *others)
        self._rows = _Rows(path)
        models = {(each.target, each.name): each for each in (like.probes if like else ())}
        self.probes: Sequence[RecordedProbe] = [
            RecordedProbe(
                self._rows,
                lane,
                models[lane].every_s if lane in models else every_s,
                models[lane].timeout_s if lane in models else _TIMEOUT_S,
            )
            for lane, every_s in self.contents.every_s.items()
        ]
        if self.contents.calls:
            self.guarded_calls = RecordedCalls(self._rows, self.contents.calls)
        self._actions = {each.name: self._act(each, like) for each in self.components}

    def actions(self, target: str) -> Mapping[str, RecordedAction]:
        """What can be ordered for a component."""
        return self._actions.get(target, {})

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """Nobody in a recording has anything to report."""

    async def __aenter__(self) -> RecordedWorld:
        """The rows begin to come."""
        self._rows.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """The file is closed."""
        self._rows.close()

    def _act(self, component: Component, like: World | None) -> dict[str, RecordedAction]:
        """As configured; without a configuration what was done, or else all that plans know."""
        name = component.name
        model = like.actions(name) if like is not None else {}
        then = [action for target, action in self.contents.done if target == name]
        cures = [action for action in then if action not in ASIDE]
        known = cures or DEFAULT_PLANS[component.kind]
        names = [*model] or [*known, "isolate", "release", "notify", *then]
        return {
            each: RecordedAction(
                name, each, model.get(each), self.contents.done.get((name, each), ()), self.ordered
            )
            for each in dict.fromkeys(names)
        }


class RecordedProbe:
    """Gives the rows that one probe has taken, each at its time.

    Args:
        rows: of the whole recording.
        lane: whose rows.
        usual_s: usual time between two of them.
        timeout_s: how long one look could take.
    """

    def __init__(self, rows: _Rows, lane: Lane, usual_s: float, timeout_s: float) -> None:
        self.target, self.name = lane
        self.timeout_s = timeout_s
        self._rows = rows
        self._lane = lane
        self._usual_s = usual_s
        self._read_s = 0.0

    @property
    def every_s(self) -> float:
        """From the last look to the next row; before the first look, what is usual between two."""
        if not self._rows.is_open or not self._rows.is_begun(self._lane):
            return self._usual_s
        now_s = asyncio.get_running_loop().time()
        row = self._rows.next_of(self._lane, now_s)
        if row is None:
            return AHEAD_S / 2
        # One that was taken at the moment of another one may be what somebody asked for because of
        # that other one; it waits to be asked for again, and comes a hair later if nobody does.
        ties = self._rows.ties_of(self._lane)
        return max(row.at_s - self._read_s + (ties * _EARLY_S or -_EARLY_S), 0.0)

    def read(self) -> Sample | Awaitable[Sample]:
        """The next row, as soon as it is time for it; one that is overdue comes at once.

        Raises:
            NoData: there is none within the time that a look may take.
        """
        now_s = asyncio.get_running_loop().time()
        self._read_s = now_s
        self._rows.begin(self._lane)
        row = self._rows.next_of(self._lane, now_s)
        if row is None or row.at_s > now_s + self.timeout_s:
            raise NoData(f"nothing of {self.target!r} is in the recording at {now_s:g} s")
        ties = self._rows.ties_of(self._lane)
        if ties and row.at_s > now_s:
            raise NoData(f"the next look at {self.target!r} may have been asked for")
        self._rows.take(self._lane)
        sample = Sample(row.metrics, row.detail)
        return sample if row.at_s <= now_s else _at(row.at_s, ties, sample)


class RecordedCalls:
    """Tells what guarded calls had shown, each at its time.

    Args:
        rows: of the whole recording.
        targets: whose calls.
    """

    def __init__(self, rows: _Rows, targets: Sequence[str]) -> None:
        self._rows = rows
        self._last_s = dict.fromkeys(targets, -math.inf)

    @property
    def next_s(self) -> float:
        """Time of the next row of all, if it is not too far ahead."""
        if not self._rows.is_open:
            return math.inf
        now_s = asyncio.get_running_loop().time()
        rows = (self._rows.next_of((target, CALLS), now_s) for target in self._last_s)
        return min((row.at_s for row in rows if row is not None), default=math.inf)

    def read(self) -> Iterator[tuple[str, dict[str, float] | None]]:
        """What was seen by now; ``None`` for calls that had become too few to be counted."""
        now_s = asyncio.get_running_loop().time()
        for target in self._last_s:
            lane = (target, CALLS)
            row = self._rows.next_of(lane, now_s)
            if row is None or (row.at_s > now_s and row.at_s - self._last_s[target] > _CALLS_S):
                yield target, None
            while row is not None and row.at_s <= now_s:
                self._rows.take(lane)
                self._last_s[target] = row.at_s
                yield target, row.metrics
                row = self._rows.next_of(lane, now_s)


class RecordedAction:
    """Something that is ordered in vain.

    Args:
        target: for whom.
        name: what.
        model: an action with the same name and facts, or ``None``.
        done: how it went in the recording, time after time.
        ordered: list of all that was ordered, to be added to.
    """

    def __init__(
        self,
        target: str,
        name: str,
        model: Action | None,
        done: Sequence[Done],
        ordered: list[tuple[float, str, str]],
    ) -> None:
        self.name = name
        self.disruptive = model.disruptive if model else name not in ASIDE
        self.timeout_s = model.timeout_s if model else 30.0
        self.settle_s = model.settle_s if model else max((x.settle_s for x in done), default=0.0)
        self.undo = model.undo if model else ""
        self._target = target
        self._done = deque(done)
        self._ordered = ordered

    def before(self) -> dict[str, Any]:
        """Nothing that would tell afterwards."""
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        """End when and as it ended then; ordered at another time, take as long as it took."""
        now_s = asyncio.get_running_loop().time()
        self._ordered.append((now_s, self._target, self.name))
        if not self._done:
            return ActionResult(True, "in a recording: nothing was done")
        then = self._done.popleft()
        is_same = abs(then.begun_s - now_s) <= _SAME_S
        await until(then.told_s if is_same else now_s + then.duration_s)
        return ActionResult(then.outcome == "succeeded", then.detail)

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Nobody knows what would have become of it."""
        return IntentStatus.UNKNOWN


class _Rows:
    """The rows of a recording along with the run: taken by one probe, kept for the others."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._recording: Recording | None = None
        self._coming: Iterator[tuple[Row, int]] = iter(())
        self._kept: dict[Lane, deque[tuple[Row, int]]] = {}
        self._begun: set[Lane] = set()
        self._last: tuple[Row, int] | None = None

    @property
    def is_open(self) -> bool:
        return self._recording is not None

    def open(self) -> None:
        self.close()
        self._recording = Recording(self._path)
        self._coming = _probed(self._recording)
        self._last = next(self._coming, None)

    def close(self) -> None:
        if self._recording is not None:
            self._recording.close()
        self._recording = None
        self._kept.clear()
        self._begun.clear()

    def is_begun(self, lane: Lane) -> bool:
        return lane in self._begun

    def begin(self, lane: Lane) -> None:
        self._begun.add(lane)

    def next_of(self, lane: Lane, now_s: float) -> Row | None:
        """The next row of a lane, unless it is too far ahead."""
        kept = self._kept.setdefault(lane, deque())
        while not kept and self._last is not None and self._last[0].at_s <= now_s + AHEAD_S:
            row = self._last[0]
            self._kept.setdefault(_lane_of(row), deque()).append(self._last)
            self._last = next(self._coming, None)
        return kept[0][0] if kept else None

    def ties_of(self, lane: Lane) -> int:
        """How much comes before the next row of a lane at the very same time."""
        return self._kept[lane][0][1]

    def take(self, lane: Lane) -> None:
        self._kept[lane].popleft()


async def _at(at_s: float, ties: int, sample: Sample) -> Sample:
    """Wait for a moment, exactly, and in it for what came of so many rows before."""
    await until(at_s)
    for _ in range(min(ties, _TIES_MAX)):
        await settle()
    return sample


def _probed(recording: Recording) -> Iterator[tuple[Row, int]]:
    """The rows of probes, and how much came before each at the very same time."""
    told = (each for each in recording if isinstance(each, Row) or _is_end(each))
    for _, moment in groupby(told, key=attrgetter("at_s")):
        while part := list(islice(moment, _MOMENT_MAX)):
            yield from _with_ties(part)


def _with_ties(moment: Sequence[Record]) -> Iterator[tuple[Row, int]]:
    """Other rows count, and the end of an action for the last row of a probe only.

    That is the one which may have been asked for because of it; an earlier one was due just then.
    """
    last = {_lane_of(each): each for each in moment if isinstance(each, Row)}
    ended = rows = 0
    for each in moment:
        if isinstance(each, Row) and is_of_calls(each):
            yield each, 0  # Nobody asks for them.
        elif isinstance(each, Row):
            yield each, rows + (ended if last[_lane_of(each)] is each else 0)
            rows += 1
        else:
            ended = 1


def _lane_of(row: Row) -> Lane:
    return row.target, CALLS if is_of_calls(row) else row.probe


def _is_end(record: Record) -> bool:
    return isinstance(record, Event) and record.kind == ActionFinished.__name__
