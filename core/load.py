r"""When more work comes in than is answered in time, whatever the cause.

A component is *overloaded* while its answers are late or missing, its queue has grown, and it is
asked for more than usual while it is busy; or when so many of the attempts are retries that the
callers themselves are the load. None of these alone is overload: a busy component that answers is
well used, a long queue before an idle one is a fault of its own, and more users within capacity
are welcome. So a crash, a hang or a sick disk, whatever they do to latency, are left to others.

    calm --enough such samples--> overloaded --answers in time again--> eased
      \                               ^-----------such samples-----------/ |
       \---- what is asked is back to usual, or served with ease ----------/

It is eased because something holds the load back, and calm when nothing has to. What is usual is
learned while it is calm, from every sample, in a mean over some minutes.

Turned down: a line on queue or latency alone (both grow in most faults), and a model of capacity
(it needs a unit for work, which metrics of strangers do not have).

Sources:
    Bronson et al., HotOS 2021 (metastable failures: what sustains them is load, not the trigger);
    Google SRE book, chapters 21 and 22 (retry budgets of a tenth, shedding where load comes in).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from ..bus.messages import LoadChanged
from .gene import Gene
from .roles import Role, role_of


class LoadSigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as overload.

    Attributes:
        late_factor: a latency this many times its usual one is late.
        failed_share: failed answers beyond the usual ones, as a share, that count as late.
        demand_factor: so many times the usual requests are more than usual.
        busy_share: from this use of its processor (or whatever is its bottleneck) on it is busy.
        retries_share: from this share of retries among the attempts on, callers are the load.
        backlog_s: a queue holds more than it should when working it off takes so long at the
            usual rate.
        samples: such samples that make it overloaded ...
        of: ... among this many newest ones.
        clear: good samples in a row after which it is eased.
        calm_s: how long nothing may be held back before it is calm.
        usual_s: time constant of what is usual.
    """

    late_factor: Annotated[float, Meta(gt=1), Gene(low=1.5, high=10, scale="log")] = 3.0
    failed_share: Annotated[float, Meta(gt=0, le=1), Gene(low=0.02, high=0.5, scale="log")] = 0.1
    demand_factor: Annotated[float, Meta(gt=1), Gene(low=1.1, high=3, scale="log")] = 1.3
    busy_share: Annotated[float, Meta(gt=0, le=1), Gene(low=0.6, high=0.98)] = 0.85
    retries_share: Annotated[float, Meta(gt=0, le=1), Gene(low=0.2, high=0.6)] = 0.3
    backlog_s: Annotated[float, Meta(gt=0), Gene(low=0.1, high=3, scale="log", unit="s")] = 0.3
    samples: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=6)] = 2
    of: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=12)] = 3
    clear: Annotated[int, Meta(ge=1, le=60), Gene(low=2, high=20)] = 5
    calm_s: Annotated[float, Meta(gt=0), Gene(low=5, high=120, scale="log", unit="s")] = 20.0
    usual_s: Annotated[float, Meta(gt=0)] = 600.0


class ReliefConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How load is held back.

    Attributes:
        patience_s: time that a measure gets to show its effect before the next one is taken.
        follow_s: a component that is overloaded together with one of its callers waits so long
            for the caller's relief to help.
        hold_s: a load that has come back is let in only after so long a calm; it doubles each
            time ...
        hold_s_max: ... up to this.
        relapse_s: a load that comes back within this time has come back; later it is another one.
    """

    patience_s: Annotated[float, Meta(gt=0), Gene(low=3, high=60, scale="log", unit="s")] = 10.0
    follow_s: Annotated[float, Meta(ge=0), Gene(low=1, high=60, scale="log", unit="s")] = 20.0
    hold_s: Annotated[float, Meta(gt=0), Gene(low=5, high=120, scale="log", unit="s")] = 20.0
    hold_s_max: Annotated[float, Meta(gt=0)] = 640.0
    relapse_s: Annotated[float, Meta(gt=0)] = 300.0


# Samples before anything is usual: with fewer, a start into an overload would be the usual.
_WARM = 10
# What is served with this much ease needs nobody to hold load back; and retries below this share of
# the line are no load. Both are well inside of the lines, so that letting go does not flap.
_EASE_SHARE = 0.8
_TRIAL_FACTOR = 15.0
# Of counts, where a share would mean nothing: so many times the usual are failures in earnest.
_COUNT_FACTOR, _COUNT_LEAST = 3.0, 5.0
_ANSWERS = ("answered", "ok")


class _Metric:
    """One metric that speaks of load: its newest value, and what is usual."""

    __slots__ = ("count", "is_share", "role", "usual", "value")

    def __init__(self, name: str, role: Role) -> None:
        self.role = role
        self.is_share = name.endswith(("_rate", "_share", "_ratio"))
        self.value = self.usual = 0.0
        self.count = 0

    def learn(self, value: float, share: float) -> None:
        self.count += 1
        self.usual += max(share, 1.0 / self.count) * (value - self.usual)


class LoadWatch:
    """Decide from its samples whether a target is overloaded.

    Args:
        target: a component.
        signs: what counts as overload.

    Attributes:
        state: ``calm``, ``overloaded`` or ``eased``.
    """

    __slots__ = (
        "_bits",
        "_calm_since_s",
        "_good",
        "_metrics",
        "_onset_s",
        "_stamp_s",
        "_told",
        "signs",
        "state",
        "target",
    )

    def __init__(self, target: str, signs: LoadSigns) -> None:
        self.target = target
        self.signs = signs
        self.state = "calm"
        self._metrics: dict[str, _Metric | None] = {}
        self._bits = self._good = 0
        self._onset_s = 0.0
        self._calm_since_s: float | None = None
        self._stamp_s: float | None = None
        self._told = (False, False)

    def take(self, metrics: Mapping[str, float], now_s: float) -> LoadChanged | None:
        """Take one sample; tells of a change, or of another sort of overload.

        Args:
            metrics: values by name, of one probe.
            now_s: when they were taken.
        """
        if not self._take_in(metrics):
            return None
        step_s = now_s - self._stamp_s if self._stamp_s is not None else 0.0
        self._stamp_s = now_s
        late = self._late(metrics)
        if self.state == "calm" and not late:
            self._learn(metrics, step_s)
            self._bits = self._bits << 1 & ((1 << self.signs.of) - 1)
            return None
        busy, retried = self._sorts()
        is_bad = late and (busy or retried)
        self._bits = (self._bits << 1 | is_bad) & ((1 << self.signs.of) - 1)
        self._good = 0 if late else self._good + 1
        if is_bad:
            return self._on_bad(busy, retried, now_s)
        return self._on_good(now_s)

    def _on_bad(self, busy: bool, retried: bool, now_s: float) -> LoadChanged | None:
        if self._bits.bit_count() == 1:
            self._onset_s = now_s
        if self._bits.bit_count() < self.signs.samples:
            return None
        self._calm_since_s = None
        sort = (busy or self._told[0], retried or self._told[1])
        if self.state == "overloaded" and sort == self._told:
            return None
        self._told = sort
        return self._to("overloaded", now_s)

    def _on_good(self, now_s: float) -> LoadChanged | None:
        if self.state == "overloaded" and self._good >= self.signs.clear:
            self._told = (False, False)
            return self._to("eased", now_s)
        if self.state != "eased":
            return None
        calm_s = self._calm_after_s()
        if self._calm_since_s is None or calm_s == math.inf:
            self._calm_since_s = None if calm_s == math.inf else now_s
            return None
        return self._to("calm", now_s) if now_s - self._calm_since_s >= calm_s else None

    def _to(self, state: str, now_s: float) -> LoadChanged:
        self.state = state
        busy, retried = self._told
        return LoadChanged(
            target=self.target,
            state=state,
            busy=busy,
            retried=retried,
            demand=self._demand(),
            crowded=busy and self._demand() >= self.signs.demand_factor,
            onset_s=self._onset_s,
            changed_s=now_s,
            reason=self._reason(),
        )

    # --- what the samples say -----------------------------------------------------------------

    def _take_in(self, metrics: Mapping[str, float]) -> bool:
        """Note the newest values; tells whether any of them speaks of load."""
        found = False
        for name, value in metrics.items():
            if name not in self._metrics:
                role = role_of(name)
                self._metrics[name] = _Metric(name, role) if role in _ROLES else None
            metric = self._metrics[name]
            if metric is not None and value == value:
                metric.value = value
                found = True
        return found

    def _learn(self, metrics: Mapping[str, float], step_s: float) -> None:
        share = min(step_s / self.signs.usual_s, 1.0)
        for name, value in metrics.items():
            metric = self._metrics[name]
            if metric is not None and value == value:
                metric.learn(value, share)

    def _late(self, metrics: Mapping[str, float]) -> bool:
        """Whether answers are late or missing."""
        if any(metrics.get(name, 1.0) < 0.5 for name in _ANSWERS):
            return True
        return any(self._is_late(each) for each in self._of("latency", "errors"))

    def _is_late(self, metric: _Metric) -> bool:
        if metric.count < _WARM:
            return False
        if metric.role == "latency":
            return metric.value > self.signs.late_factor * metric.usual
        if metric.is_share:
            return metric.value > metric.usual + self.signs.failed_share
        return metric.value > _COUNT_FACTOR * metric.usual + _COUNT_LEAST

    def _sorts(self) -> tuple[bool, bool]:
        """Whether it is busy with more than it can do, and whether retries are the load."""
        signs = self.signs
        uses = [each.value for each in self._of("saturation")]
        busy = not uses or max(uses) >= signs.busy_share
        retried = self._retries() >= signs.retries_share
        demanded = self._demand() >= signs.demand_factor
        waits = self._has_backlog()
        # Who hides how busy it is has to show by its arrivals that it is asked for more.
        return busy and waits and (demanded or retried), retried and (demanded or waits)

    def _has_backlog(self) -> bool:
        rates = [each.usual for each in self._of("rate") if each.count >= _WARM]
        per_s = max(rates, default=0.0)
        return any(
            each.value > max(2.0 * each.usual, self.signs.backlog_s * per_s, 1.0)
            for each in self._of("queue")
        )

    def _demand(self) -> float:
        """What is asked, over what is usual; 1.0 where that is not known."""
        ratios = [
            each.value / each.usual
            for each in self._of("rate")
            if each.count >= _WARM and each.usual > 0.0
        ]
        return max(ratios, default=1.0)

    def _retries(self) -> float:
        return max((each.value for each in self._of("retries") if each.is_share), default=0.0)

    def _calm_after_s(self) -> float:
        """How long it has to stay as it is to be calm; infinite when it never is."""
        signs = self.signs
        if self._retries() >= _EASE_SHARE * signs.retries_share:
            return math.inf
        if self._demand() < signs.demand_factor:
            return signs.calm_s
        # So much may be the new usual, and there may be more capacity than there was; or it is
        # only held back well. In time that is tried.
        uses = [each.value for each in self._of("saturation")]
        at_ease = bool(uses) and max(uses) < _EASE_SHARE * signs.busy_share
        return _TRIAL_FACTOR * signs.calm_s if at_ease else math.inf

    def _of(self, *roles: Role) -> list[_Metric]:
        return [each for each in self._metrics.values() if each is not None and each.role in roles]

    def _reason(self) -> str:
        said = [f"{self._demand():.1f} times the usual requests"]
        said += [f"{each.value:.0f} waiting" for each in self._of("queue")[:1]]
        said += [f"{each.value:.0%} busy" for each in self._of("saturation")[:1]]
        if self._retries() >= self.signs.retries_share:
            said.append(f"{self._retries():.0%} of the attempts are retries")
        return ", ".join(said)


_ROLES: tuple[Role, ...] = (
    "up",
    "latency",
    "errors",
    "queue",
    "rate",
    "retries",
    "saturation",
)
