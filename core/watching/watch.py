r"""The health of one target, from what its probes see.

A target is *sick* while any metric is in alarm, *suspect* while a metric still owes good samples,
*unknown* when a probe has been silent for too long, else *healthy*. No data is neither up nor
down: a silent target is never treated for being silent, and an alarm whose probe has fallen silent,
or has not looked since the target was acted on, says nothing of the present.

    healthy --bad sample--> suspect --enough of them--> sick --good ones in a row--> healthy
       \----------- silence -----------> unknown --first sample--> (as the samples say)

While an action runs, and while the target boots after it, bad samples are what one expects: they
raise no alarm. But the target has to prove itself: every metric owes good samples again, so that
a process that is merely back, but does not serve yet, is not called healed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from ...bus.messages import (
    AnomalyCleared,
    AnomalyDetected,
    HealthChanged,
    LoadChanged,
    Message,
    Status,
)
from ..detection.detect import ThresholdDetector, Verdict
from ..detection.forecast import Tally
from ..detection.foresight import ForecastDetector, least_share_of, limit_of
from ..load import LoadSigns, LoadWatch
from ..roles import Role, role_of
from ..topology import home_of
from .config import Detector, HowJudged, Learner, configs_of, detector_of, exchanged
from .config import WatchConfig as WatchConfig
from .config import fitted as fitted

# What a refused connection says of the answer, and a missing answer of its content, is nothing:
# one fact is one anomaly.
_IMPLIED_BY = {"reachable": ("answered", "ok"), "answered": ("ok",)}


# These fill up as well because what is called keeps everybody waiting.
_FED: frozenset[Role] = frozenset(("pool", "queue"))

# What guarded calls are called where probes have names.
CALLS = "calls"


class TargetWatch:
    """Decide what the samples of one target mean.

    Args:
        target: whose samples.
        config: how it is watched.
        silent_after_s: for each probe, the silence that makes the target unknown.
    """

    __slots__ = (
        "_acted_on",
        "_detail",
        "_detectors",
        "_due_s",
        "_excused_until_s",
        "_load",
        "_probe_of",
        "_rested",
        "_unheard",
        "config",
        "silent_after_s",
        "status",
        "target",
    )

    def __init__(
        self,
        target: str,
        config: WatchConfig,
        silent_after_s: Mapping[str, float],
    ) -> None:
        self.target = target
        self.config = config
        self.status = Status.UNKNOWN  # Nothing is known before the first sample.
        self._detectors: dict[str, tuple[Detector, ...]] = {}
        self.silent_after_s = dict(silent_after_s)
        self._due_s = dict.fromkeys(silent_after_s, math.inf)
        self._unheard = dict.fromkeys(silent_after_s)
        self._probe_of: dict[str, str] = {}
        self._detail = ""
        self._excused_until_s = -math.inf
        self._acted_on = False
        self._load = _load_watch(target, config)
        self._rested: dict[str, dict[HowJudged, Learner]] = {}

    def on_sample(
        self, probe: str, metrics: Mapping[str, float], detail: str, now_s: float
    ) -> list[Message]:
        """Take what one probe saw, and tell what changed.

        Args:
            probe: name of the probe.
            metrics: values by name, units as suffixes.
            detail: what a person should know of them.
            now_s: when they were taken.
        """
        self._due_s[probe] = now_s + self.silent_after_s.get(probe, self.config.silent_s)
        self._unheard.pop(probe, None)
        self._detail = detail
        # First, so that whoever decides knows that it is busy before it learns that it is late.
        change = self._load_change(metrics, now_s)
        events = self._take(probe, metrics, now_s)
        return self._with_status([change, *events] if change is not None else events, now_s)

    def on_calls(self, metrics: Mapping[str, float] | None, now_s: float) -> list[Message]:
        """Take what guarded calls to the target showed since the last time.

        Unlike a probe, callers owe nobody a call: their silence says nothing, not even that what
        they showed before is still true.

        Args:
            metrics: values by name, units as suffixes; ``None`` when there were no calls.
            now_s: loop time.
        """
        self._detail = "guarded calls"
        if metrics is not None:
            return self._with_status(self._take(CALLS, metrics, now_s), now_s)
        events: list[Message] = []
        for metric in [name for name, probe in self._probe_of.items() if probe == CALLS]:
            detectors = self._detectors.pop(metric, ())
            if any(each.alarmed for each in detectors):
                events.append(AnomalyCleared(target=self.target, metric=metric, cleared_s=now_s))
            if detectors:
                self._detectors[metric] = tuple(each.renewed() for each in detectors)
        return self._with_status(events, now_s)

    def _take(self, probe: str, metrics: Mapping[str, float], now_s: float) -> list[Message]:
        events: list[Message] = []
        implied = implied_by(metrics)
        for metric, value in metrics.items():
            if metric in implied:
                continue
            self._probe_of[metric] = probe
            for detector in self._detectors_of(metric):
                if isinstance(detector, ForecastDetector) and not self._sets_limit(
                    detector, metric, metrics
                ):
                    continue
                if self._is_excused(detector, value, now_s):
                    detector.ask_for_proof()
                    continue
                verdict = detector.update(value, now_s)
                if verdict is Verdict.RAISED:
                    events.append(self._anomaly(metric, value, detector, now_s))
                elif verdict is Verdict.CLEARED:
                    events += self._cleared(metric, now_s)
        return events

    def be_patient(self, probe: str, factor: float) -> None:
        """A probe has just looked and is asked for its next look later than usual by a factor."""
        patience_s = self.silent_after_s.get(probe, self.config.silent_s)
        self._due_s[probe] += patience_s * (factor - 1.0)

    def _sets_limit(
        self, detector: ForecastDetector, metric: str, metrics: Mapping[str, float]
    ) -> bool:
        """Whether anybody knows what the metric must not reach."""
        limit = limit_of(metric, metrics, self.config.thresholds.get(metric))
        detector.limit = math.nan if limit is None else limit
        detector.least_share = least_share_of(metric)
        return limit is not None

    def on_sweep(self, now_s: float) -> list[Message]:
        """Look for probes that have fallen silent."""
        silent = now_s >= min(self._due_s.values(), default=math.inf)
        return self._with_status([], now_s) if silent else []

    def expect_from(self, now_s: float) -> None:
        """Start the clock of every probe: from here on silence counts."""
        for probe, after_s in self.silent_after_s.items():
            self._due_s[probe] = now_s + after_s

    def on_action_started(self, until_s: float, now_s: float) -> list[Message]:
        """Something is being done to the target: until it is over, nothing it shows is news."""
        return self._excuse(until_s, now_s, acted_on=True)

    def on_booting(self, until_s: float, now_s: float) -> list[Message]:
        """The target boots until ``until_s`` at the latest, and then has to have proven itself."""
        return self._excuse(until_s, now_s, acted_on=False)

    def forecasts(self) -> Tally:
        """What became of all that was foreseen so far."""
        tally = Tally()
        for each in self.forecasters():
            tally.add(each.source.tally)
        return tally

    def forecasters(self) -> list[ForecastDetector]:
        """What looks ahead for the target."""
        return [each for each in self._live() if isinstance(each, ForecastDetector)]

    def detectors(self) -> Mapping[str, tuple[Detector, ...]]:
        """What judges each metric that was seen so far."""
        return self._detectors

    def learners(self) -> Iterator[tuple[str, Learner]]:
        """Whatever has learned something of a metric, at work or at rest, with its name."""
        for metric, detectors in self._detectors.items():
            for each in detectors:
                if not isinstance(each, ThresholdDetector):
                    yield metric, each
        for metric, rested in self._rested.items():
            yield from ((metric, each) for each in rested.values())

    def recall(self, metric: str, learner: Learner) -> None:
        """Go on with what was learned of a metric before, once it is seen."""
        self._rested.setdefault(metric, {})[learner.config] = learner

    def since_s(self, now_s: float) -> float:
        """Start of the present trouble; ``now_s`` when there is none."""
        onsets = [each.onset_s for each in self._live() if each.alarmed or each.suspect]
        return min([now_s, *onsets])

    def worst_score(self, metrics: Mapping[str, float]) -> float:
        """Greatest score of the given values; 1.0 is the alarm line."""
        scores = [0.0]
        for metric, value in metrics.items():
            scores += [each.score(value) for each in self._detectors_of(metric)]
        return max(scores)

    def reconfigure(
        self,
        config: WatchConfig,
        now_s: float,
        silent_after_s: Mapping[str, float] | None = None,
    ) -> list[Message]:
        """Watch with other thresholds; what is known stays where the threshold stays.

        An alarm of a line that was moved is over, but the target is not well for that: what is
        measured by a new line has to be proven good by it. A detector that learns and is wanted no
        more rests with what it has learned, so that a level left for a while is not learned anew.

        Args:
            config: how it is watched from now on.
            now_s: loop time.
            silent_after_s: as for the constructor, when its probes have changed; a probe that is
                gone takes with it what it has shown.
        """
        self.config = config
        self._reload(config.load)
        events = [] if silent_after_s is None else self._with_probes(silent_after_s, now_s)
        for metric, detectors in list(self._detectors.items()):
            configs = configs_of(config, metric)
            if [each.config for each in detectors] == configs:
                continue
            rested = self._rested.pop(metric, {})
            self._detectors[metric], resting = exchanged(detectors, configs, rested)
            if resting:  # The last ones only: who tries many configs keeps no more than that.
                self._rested[metric] = resting
            if any(each.alarmed for each in detectors):
                events += self._cleared(metric, now_s)
        return events  # The status follows with the next sample.

    def _with_probes(self, silent_after_s: Mapping[str, float], now_s: float) -> list[Message]:
        events: list[Message] = []
        for probe in sorted(self.silent_after_s.keys() - silent_after_s.keys()):
            del self._due_s[probe]
            self._unheard.pop(probe, None)
            for metric in [name for name, by in self._probe_of.items() if by == probe]:
                del self._probe_of[metric]
                if any(each.alarmed for each in self._detectors.pop(metric, ())):
                    cleared = AnomalyCleared(target=self.target, metric=metric, cleared_s=now_s)
                    events.append(cleared)
        for probe, after_s in silent_after_s.items():
            self._due_s.setdefault(probe, now_s + after_s)
        self.silent_after_s = dict(silent_after_s)
        return events

    def _reload(self, signs: LoadSigns | None) -> None:
        """Look for overload by other signs; what is usual stays known."""
        if self._load is None:
            self._load = _load_watch(self.target, self.config)
        elif signs is not None:
            self._load.signs = signs

    def _load_change(self, metrics: Mapping[str, float], now_s: float) -> LoadChanged | None:
        """What the sample changes of the load; nobody looks at levels that do not control it.

        But load that is held back when its component comes to such a level has to be let in again.
        """
        load = self._load
        if load is None or (self.config.load is None and load.state == "calm"):
            return None
        return load.take(metrics, now_s)

    def _excuse(self, until_s: float, now_s: float, *, acted_on: bool) -> list[Message]:
        self._excused_until_s, self._acted_on = until_s, acted_on
        self._unheard = dict.fromkeys(self._due_s)
        for detector in self._live():
            detector.ask_for_proof()
            detector.hold(until_s)
        return self._with_status([], now_s)

    def _is_excused(self, detector: Detector, value: float, now_s: float) -> bool:
        if now_s >= self._excused_until_s or detector.alarmed:
            return False
        if detector.config.booting and not self._acted_on:
            return False
        return detector.is_bad(value)

    def _live(self) -> list[Detector]:
        return [each for detectors in self._detectors.values() for each in detectors]

    def _detectors_of(self, metric: str) -> tuple[Detector, ...]:
        try:
            return self._detectors[metric]
        except KeyError:
            rested = self._rested.pop(metric, {})  # What was learned before a restart.
            configs = configs_of(self.config, metric)
            detectors = tuple(rested.get(each) or detector_of(each) for each in configs)
            return self._detectors.setdefault(metric, detectors)

    def _cleared(self, metric: str, now_s: float) -> list[Message]:
        """The end of an anomaly, if no other detector of the metric sees it still."""
        if any(each.alarmed for each in self._detectors[metric]):
            return []
        return [AnomalyCleared(target=self.target, metric=metric, cleared_s=now_s)]

    def _anomaly(
        self, metric: str, value: float, detector: Detector, now_s: float
    ) -> AnomalyDetected:
        reason = detector.describe(metric, value)
        return AnomalyDetected(
            target=self.target,
            metric=metric,
            value=value,
            score=detector.score(value),
            onset_s=detector.onset_s,
            detected_s=now_s,
            reason=f"{reason} ({self._detail})" if self._detail else reason,
            own=detector.config.own and role_of(metric) not in _FED,
            due_s=detector.due_s if isinstance(detector, ForecastDetector) else None,
        )

    def _with_status(self, events: list[Message], now_s: float) -> list[Message]:
        status, reason = self._judge(now_s)
        if status is not self.status:
            changed = HealthChanged(
                target=self.target,
                status=status,
                previous=self.status,
                reason=reason,
                changed_s=now_s,
            )
            self.status = status
            events.append(changed)
            if status is Status.HEALTHY and not self._acted_on:
                self._excused_until_s = -math.inf  # It has booted.
        return events

    def _where(self, holds: Callable[[Detector], bool]) -> list[str]:
        return [name for name, all_ in self._detectors.items() if any(map(holds, all_))]

    def _in_doubt(self) -> bool:
        for detectors in self._detectors.values():
            for each in detectors:
                if each.suspect or each.alarmed:
                    return True
        return False

    def _judge(self, now_s: float) -> tuple[Status, str]:
        silent = [probe for probe, due_s in self._due_s.items() if now_s >= due_s]
        if not (silent or self._unheard or self._in_doubt()):
            return Status.HEALTHY, "all metrics within bounds"  # As nearly always.
        alarmed = self._where(lambda each: each.alarmed)
        dated = {*silent, *self._unheard}
        sick = [name for name in alarmed if self._probe_of[name] not in dated]
        if sick:
            return Status.SICK, f"{', '.join(sick)} out of bounds"
        if silent:
            return Status.UNKNOWN, f"no data from probe {', '.join(silent)}"
        if self._unheard:
            return Status.SUSPECT, f"waiting for probe {', '.join(self._unheard)}"
        suspects = self._where(lambda each: each.suspect)
        return Status.SUSPECT, f"{', '.join(suspects)} not proven good"


def _load_watch(target: str, config: WatchConfig) -> LoadWatch | None:
    """Load is a matter of whole components: what comes to one replica is the balancer's to say."""
    is_whole = home_of(target) == target
    return LoadWatch(target, config.load) if config.load is not None and is_whole else None


def implied_by(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Metrics of a reading that say nothing beyond what another one of it says."""
    for metric, implied in _IMPLIED_BY.items():
        if metrics.get(metric, 1.0) < 0.5:
            return implied
    return ()
