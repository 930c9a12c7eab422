"""The rounds of whoever watches: when each probe looks, and what follows from what it saw.

A target that is not healthy is looked at more often until the doubt is settled, and anybody may ask
for a fresh look (`ProbeNow`). Who carries the looks out, in which time, is not decided here: the
Monitor does it on the bus, the direct driver by calling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

from ...bus.messages import (
    ActionFinished,
    ActionStarted,
    IncidentClosed,
    IncidentOpened,
    Message,
    ProbeNow,
    Status,
    TargetProbed,
)
from ..detection.windows import Rows
from ..effects import Effect, Publish, Record
from ..incidents.treatment import ASIDE
from ..notes import told
from ..records import WindowRecord
from ..topology import Annotation, home_of
from .picture import Picture, formed
from .watch import TargetWatch, WatchConfig

# A golden-ratio step spreads any number of probes evenly over their interval, without a draw.
_SPREAD = 0.618033988749895


class Sight(Protocol):
    """What the rounds need to know of a probe.

    Attributes:
        target: what it looks at.
        name: unique among the probes of its target.
        every_s: seconds between two looks.
    """

    @property
    def target(self) -> str:
        """What it looks at."""
        ...

    @property
    def name(self) -> str:
        """Unique among the probes of its target."""
        ...

    @property
    def every_s(self) -> float:
        """Seconds between two looks."""
        ...


P = TypeVar("P", bound=Sight)


class Chart:
    """What is kept of one target between two lives of whoever watches it.

    Args:
        watch: decides what its samples mean.

    Attributes:
        stretch: factor on the interval of its probes while it is healthy.
    """

    __slots__ = ("_next", "picture", "rows", "stretch", "watch")

    def __init__(self, watch: TargetWatch) -> None:
        self.watch = watch
        self.stretch = 1.0
        self._next: WatchConfig | None = None
        self.rows = Rows(watch.config.window_rows)
        self.picture = Picture()

    @property
    def config(self) -> WatchConfig:
        """The settings that hold from the next sample on."""
        return self._next or self.watch.config

    def add(self, metrics: Mapping[str, float], now_s: float) -> None:
        """Keep a reading."""
        self.rows.add(now_s, metrics)
        self.picture.add(metrics, now_s, calm=self.watch.status is Status.HEALTHY)

    def reconfigure(
        self, config: WatchConfig, silent_after_s: Mapping[str, float], now_s: float
    ) -> list[Message]:
        """Go on with other settings or probes; see `TargetWatch.reconfigure`."""
        if config.window_rows != self.watch.config.window_rows:
            self.rows = self.rows.resized(config.window_rows)
        self._next = None
        return self.watch.reconfigure(config, now_s, silent_after_s)

    def revise(self, config: WatchConfig) -> None:
        """Go on with other settings from the next sample on, so that this takes no time now."""
        self._next = config

    def renew(self, now_s: float) -> list[Message]:
        """Take the settings that wait, if there are any."""
        if self._next is None:
            return []
        return self.reconfigure(self._next, self.watch.silent_after_s, now_s)

    def window(self, incident: str) -> Record:
        """The newest readings, to go on record with an incident."""
        times_s, metrics = self.rows.columns()
        target = self.watch.target
        return Record(
            WindowRecord(incident=incident, target=target, times_s=times_s, metrics=metrics)
        )


class Look(Generic[P]):
    """One probe and when it is due.

    Attributes:
        probe: who looks.
        due_s: when, loop time.
        is_over: whether the probe is gone, so that nobody wants to know what it sees.
    """

    __slots__ = ("_again", "_chart", "_running", "due_s", "is_over", "probe")

    def __init__(self, probe: P, chart: Chart, due_s: float) -> None:
        self.probe = probe
        self.due_s = due_s
        self.is_over = False
        self._chart = chart
        self._running = False
        self._again = False


class Rounds(Generic[P]):
    """Decide when to look at each target, and what is told of what was seen.

    Args:
        charts: by target; they outlive the rounds.
    """

    def __init__(self, charts: Mapping[str, Chart]) -> None:
        self._charts = charts
        self._parts: dict[str, list[Chart]] = {}
        for target, chart in charts.items():
            self._parts.setdefault(home_of(target), []).append(chart)
        self._annotations: dict[str, Annotation] = {}
        self._looks: dict[str, list[Look[P]]] = {}
        self._heap: list[tuple[float, int, Look[P]]] = []
        self._order = 0
        self._asked: dict[str, list[Look[P]]] = {}

    @property
    def next_s(self) -> float:
        """No look is due before this; infinite when there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def knows(self, target: str) -> bool:
        """Whether anything is kept of a target."""
        return target in self._charts

    def begin(self, probes: Iterable[P], now_s: float) -> None:
        """Let the first looks spread over the interval of each probe, and silence count."""
        self.rearrange(probes, now_s)
        for chart in self._charts.values():
            chart.watch.expect_from(now_s)

    def rearrange(self, probes: Iterable[P], now_s: float) -> list[Effect]:
        """Look with these probes from now on; looks that stay keep their turn.

        Whoever waits for a look at a target whose probes are others now waits for those.

        Args:
            probes: all of them; one that was known is known by its identity.
            now_s: loop time.
        """
        known = {id(look.probe): look for looks in self._looks.values() for look in looks}
        self._looks = {}
        for number, probe in enumerate(probes):
            look = known.pop(id(probe), None)
            if look is None:
                phase_s = number * _SPREAD % 1.0 * probe.every_s
                look = Look(probe, self._charts[probe.target], now_s + phase_s)
                self._schedule(look, look.due_s)
            self._looks.setdefault(probe.target, []).append(look)
        effects: list[Effect] = []
        for look in known.values():
            look.is_over = True
            if look in self._asked.get(look.probe.target, ()):
                del self._asked[look.probe.target]
                effects += self._look_now(look.probe.target, now_s)
        return effects

    def due(self, limit_s: float) -> Look[P] | None:
        """The next look that is due by ``limit_s``, which its caller begins now; else nothing."""
        while self._heap and self._heap[0][0] <= limit_s:
            due_s, _, look = heappop(self._heap)
            if look.due_s == due_s and not look._running and not look.is_over:
                look._running = True  # From here on nobody else begins it.
                return look
        return None

    # --- what is seen -------------------------------------------------------------------------

    def on_sample(
        self, look: Look[P], metrics: Mapping[str, float], detail: str, now_s: float
    ) -> list[Effect]:
        """A look has come back.

        Args:
            look: which.
            metrics: values by name, units as suffixes.
            detail: what a person should know of them.
            now_s: loop time.
        """
        if look.is_over:
            return []
        seen = self._seen(look, metrics, detail, now_s)
        done = self._done(look, now_s)
        return [*seen, *done] if seen else done

    def on_told(
        self, target: str, probe: str, metrics: Mapping[str, float], detail: str, now_s: float
    ) -> list[Effect]:
        """A sample has come by itself, while nobody carries looks out; it answers like a look."""
        look = next(each for each in self._looks[target] if each.probe.name == probe)
        return [*self._seen(look, metrics, detail, now_s), *self._answer(look, now_s)]

    @staticmethod
    def _seen(
        look: Look[P], metrics: Mapping[str, float], detail: str, now_s: float
    ) -> list[Effect]:
        chart = look._chart
        news = chart.renew(now_s)
        chart.add(metrics, now_s)
        told = chart.watch.on_sample(look.probe.name, metrics, detail, now_s)
        return _published([*news, *(formed(each, chart.rows) for each in told)])

    def on_no_data(self, look: Look[P], now_s: float) -> list[Effect]:
        """A look has come back with nothing: neither up nor down."""
        return [] if look.is_over else self._done(look, now_s)

    def on_calls(
        self, target: str, metrics: Mapping[str, float] | None, now_s: float
    ) -> list[Effect]:
        """Guarded calls have shown something; ``None`` when there were too few of them."""
        chart = self._charts.get(target)
        if chart is None:
            return []
        news = chart.renew(now_s)
        if metrics is not None:
            chart.add(metrics, now_s)
        return _published([*news, *chart.watch.on_calls(metrics, now_s)])

    def on_sweep(self, now_s: float) -> list[Effect]:
        """Look for probes that have fallen silent."""
        news = (each for chart in self._charts.values() for each in chart.watch.on_sweep(now_s))
        return _published(news)

    def on_annotation(self, target: str, known: Annotation, now_s: float) -> list[Effect]:
        """What the world knows of a component beside what is measured: told when it is new."""
        if known == self._annotations.get(target, Annotation()):
            return []
        self._annotations[target] = known
        return [Publish(told(target, known, now_s))]

    # --- what others say ----------------------------------------------------------------------

    def on_message(self, message: Message, now_s: float) -> list[Effect]:
        """Take what others wish to see, do to a target, or know of it."""
        match message:
            case ProbeNow(target=target):
                return self._look_now(target, now_s)
            case ActionStarted():
                return self._excuse(message, now_s)
            case ActionFinished():
                return self._ask_for_proof(message, now_s)
            case IncidentOpened(target=target) | IncidentClosed(target=target):
                chart = self._charts.get(target)
                return [] if chart is None else [chart.window(message.incident)]
            case _:
                return []  # Nothing to look at.

    def _look_now(self, target: str, now_s: float) -> list[Effect]:
        looks, chart = self._looks.get(target), self._charts.get(target)
        if chart is None:
            return []
        if not looks:  # Nobody can look; what is known must do.
            return [_probed(chart, now_s)]
        self._asked[target] = list(looks)
        for look in looks:
            if look._running:
                look._again = True  # It began before the question.
            else:
                self._schedule(look, now_s)
        return []

    def _excuse(self, message: ActionStarted, now_s: float) -> list[Effect]:
        """What a target shows while it is being restarted is no news."""
        if message.action in ASIDE:
            return []
        until_s = message.started_s + message.timeout_s
        return [
            effect
            for chart in self._concerned(message.target)
            for effect in _published(chart.watch.on_action_started(until_s, now_s))
        ]

    def _ask_for_proof(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """After an action the target boots, and then has to prove itself."""
        if message.action in ASIDE:
            return []
        settle_s = message.settle_s if message.outcome == "succeeded" else 0.0
        effects: list[Effect] = []
        for chart in self._concerned(message.target):
            effects += _published(chart.watch.on_booting(message.finished_s + settle_s, now_s))
            effects += self._look_now(chart.watch.target, now_s)
        return effects

    def _concerned(self, target: str) -> list[Chart]:
        """What an action on a target shows in: of a component, in all its parts as well."""
        chart = self._charts.get(target)
        return self._parts.get(target) or ([chart] if chart is not None else [])

    # --- when ---------------------------------------------------------------------------------

    def _done(self, look: Look[P], now_s: float) -> list[Effect]:
        look._running = False
        watch = look._chart.watch
        every_s = look.probe.every_s
        effects: list[Effect] = []
        if look._again:
            look._again, every_s = False, 0.0
        else:
            effects = self._answer(look, now_s)
            if watch.status is not Status.HEALTHY:
                every_s = min(every_s, watch.config.confirm_s)
            elif look._chart.stretch > 1.0:
                every_s *= look._chart.stretch
                watch.be_patient(look.probe.name, look._chart.stretch)
        # Missed turns are not made up for: a probe that takes long is due again from now on.
        self._schedule(look, max(now_s, look.due_s + every_s))
        return effects

    def _answer(self, look: Look[P], now_s: float) -> list[Effect]:
        watch = look._chart.watch
        asked = self._asked.get(watch.target)
        if asked is None or look not in asked:
            return []
        asked.remove(look)
        if asked:
            return []
        del self._asked[watch.target]
        return [_probed(look._chart, now_s)]

    def _schedule(self, look: Look[P], due_s: float) -> None:
        look.due_s = due_s
        self._order += 1
        heappush(self._heap, (due_s, self._order, look))


def _published(messages: Iterable[Message]) -> list[Effect]:
    return [Publish(message) for message in messages]


def _probed(chart: Chart, now_s: float) -> Publish:
    watch = chart.watch
    since_s = watch.since_s(now_s)
    # A target that is well has no trouble that began: its last seconds are the present. Where this
    # is the first bad sample, those before it would hide that it is as ill as its peers.
    begun_s = -math.inf if watch.status is Status.HEALTHY else since_s
    return Publish(
        TargetProbed(
            target=watch.target,
            status=watch.status,
            since_s=since_s,
            taken_s=now_s,
            symptoms=chart.picture.symptoms(begun_s, now_s),
        )
    )
