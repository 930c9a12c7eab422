"""The limits of self-help: which actions, how many, how many at once, and with whose consent.

Every action passes here before it runs. The rules are asked in a fixed order and the first one
that objects decides; an objection says when to ask again, or that asking again is pointless.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from .topology import home_of, sides

Mode = Literal["observe", "recommend", "act"]
_MODES: tuple[Mode, ...] = ("observe", "recommend", "act")

# Who pauses what the world itself announces work on.
ANNOUNCED = "announcement"
_WORK = "maintenance"

# What a person could still look through after ten minutes. In an estate that has more than thirty
# components it would be used up by others before the one that needs it (benchmarks/storm.py).
_ESTATE_ACTIONS = 60
_ACTIONS_EACH = 2

# Rules without a time of their own are asked again this soon: a place may be free by then.
_ASK_AGAIN_S = 1.0


class PolicyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of what mendel may do by itself.

    Attributes:
        mode: only watch; ask a person before each action; or act.
        allow: names of the actions that may be run; empty allows all that are declared.
        approve: names of actions that need a person's approval even in mode ``act``.
        component_actions: actions per component ...
        component_period_s: ... in this time.
        estate_actions: actions in the whole estate; left out, 60, or two for each component where
            that is more, so that a large estate is not held to what is right for a small one ...
        estate_period_s: ... in this time.
        concurrent_actions: actions under way at once in the whole estate.
        blast_share: greatest share of the components that disruptive actions may touch at once;
            one is always possible.
        panic_share: when more than this share of the components look sick each for itself, it is
            rather the monitoring that is sick, and nothing is done ...
        panic_minimum: ... if they are at least this many.
        fresh_share: share of each estate-wide limit that is kept for components for which nothing
            was done in the period: those that fall ill again and again cannot use it all up.
        worse_actions: after so many actions that made things worse ...
        worse_period_s: ... in this time, only a person goes on.
        healthy_minimum: a disruptive action must leave this many healthy members in the group of
            its component; only groups of more than one count.
    """

    mode: Mode = "act"
    allow: tuple[str, ...] = ()
    approve: tuple[str, ...] = ()
    component_actions: Annotated[int, Meta(ge=1)] = 10
    component_period_s: Annotated[float, Meta(gt=0)] = 600.0
    estate_actions: Annotated[int, Meta(ge=1)] | None = None
    estate_period_s: Annotated[float, Meta(gt=0)] = 600.0
    concurrent_actions: Annotated[int, Meta(ge=1)] = 100
    blast_share: Annotated[float, Meta(gt=0, le=1)] = 0.34
    panic_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    panic_minimum: Annotated[int, Meta(ge=1)] = 5
    fresh_share: Annotated[float, Meta(ge=0, lt=1)] = 0.25
    worse_actions: Annotated[int, Meta(ge=1)] = 3
    worse_period_s: Annotated[float, Meta(gt=0)] = 600.0
    healthy_minimum: Annotated[int, Meta(ge=0)] = 1

    def estate_limit(self, components: int) -> int:
        """Actions in an estate of so many components."""
        if self.estate_actions is not None:
            return self.estate_actions
        return max(_ESTATE_ACTIONS, _ACTIONS_EACH * components)


class Pause(Struct, frozen=True, kw_only=True):
    """Hands off, from ``start_s`` until ``end_s``: a person's wish or a maintenance window.

    Attributes:
        target: component name, or ``*`` for the whole estate.
        start_s: loop time.
        end_s: loop time.
        who: who asked for it.
        reason: why.
    """

    target: str
    start_s: float
    end_s: float
    who: str
    reason: str = ""


class ActionFacts(Struct, frozen=True, kw_only=True):
    """What a decision needs to know of an action.

    Attributes:
        name: unique in its component.
        disruptive: whether it costs capacity.
        timeout_s: how long it may take.
        settle_s: how long its effect may then take to show.
        undo: name of the action that takes it back, or empty.
        target: what it is done to; empty for the component whose incident it is.
    """

    name: str
    disruptive: bool = True
    timeout_s: float = 30.0
    settle_s: float = 10.0
    undo: str = ""
    target: str = ""


class EstateView(Struct, frozen=True, kw_only=True):
    """The whole estate at the moment of a decision.

    Attributes:
        components: how many there are.
        blamed: how many of them are sick for a reason of their own.
        group_healthy: healthy members of the target's group, the target left out; ``None`` when
            it has no group.
    """

    components: int
    blamed: int
    group_healthy: int | None = None


class Permit(Struct, frozen=True):
    """Go ahead."""


class NeedsApproval(Struct, frozen=True):
    """Ask a person first."""

    reason: str


class Denied(Struct, frozen=True):
    """Not now, or never.

    Attributes:
        reason: which rule, with its numbers.
        retry_s: loop time when asking again makes sense; infinite when it never does.
        wanted: whether a person wants it so, and therefore need not be told.
    """

    reason: str
    retry_s: float = math.inf
    wanted: bool = False


Ruling = Permit | NeedsApproval | Denied


class Policy:
    """Rule on each action, and keep the accounts that the rules need.

    Args:
        config: the limits.
        modes: the mode of single components, where it is not that of the estate.
    """

    def __init__(self, config: PolicyConfig, modes: Mapping[str, Mode] | None = None) -> None:
        self.config = config
        self.modes: dict[str, Mode] = dict(modes or {})
        self.pauses: list[Pause] = []
        self._of_component: dict[str, deque[float]] = {}
        self._of_estate: deque[float] = deque()
        self._worse: deque[float] = deque()
        self._running: dict[str, tuple[str, bool]] = {}

    def rule(self, target: str, action: ActionFacts, estate: EstateView, now_s: float) -> Ruling:
        """Say whether the action may run on the target now.

        Args:
            target: a component, or a part of one, which counts as the component; an empty one
                means nothing, never everything.
            action: what is to be run.
            estate: everything else that matters.
            now_s: loop time.
        """
        home = home_of(target)
        objection = (
            self._never(target, action)
            or self._paused(target, now_s)
            or self._too_bad(now_s)
            or self._too_often(home, estate, now_s)
            or self._too_wide(home, action, now_s)
            or self._doubtful(home, action, estate, now_s)
        )
        if objection is not None:
            return objection
        if self.mode_of(target) == "recommend":
            return NeedsApproval("mode is recommend")
        if action.name in self.config.approve:
            return NeedsApproval(f"action {action.name} needs approval")
        return Permit()

    def reconfigure(self, config: PolicyConfig, modes: Mapping[str, Mode]) -> None:
        """Rule by other limits from now on; what was done before counts for them as well."""
        self.config = config
        self.modes = dict(modes)

    def mode_of(self, target: str) -> Mode:
        """The mode that holds for a target: the most careful one of the components it touches."""
        modes = [self.modes.get(name, self.config.mode) for name in sides(target)]
        return min(modes, key=_MODES.index)

    def may_isolate(self, target: str, now_s: float) -> bool:
        """Say whether calls may be kept away from a target: only where mendel acts by itself."""
        allowed = not self.config.allow or "isolate" in self.config.allow
        acts = bool(target) and self.mode_of(target) == "act"
        return allowed and acts and self.pause_of(target, now_s) is None

    def started(self, intent: str, target: str, action: ActionFacts, now_s: float) -> None:
        """An action that was permitted begins."""
        home = home_of(target)
        self._of_component.setdefault(home, deque()).append(now_s)
        self._of_estate.append(now_s)
        self._running[intent] = (home, action.disruptive)

    def remember(self, target: str, at_s: float) -> None:
        """An earlier run of mendel began an action; its limits are ours. Oldest first."""
        self._of_component.setdefault(home_of(target), deque()).append(at_s)
        self._of_estate.append(at_s)

    def made_worse(self, now_s: float) -> None:
        """An action that was permitted made things worse."""
        self._worse.append(now_s)

    def finished(self, intent: str) -> None:
        """An action came to its end; one that is not known is none of ours."""
        self._running.pop(intent, None)

    def spent(self, target: str, now_s: float) -> int:
        """Actions of a component that its limit counts at present."""
        from_s = now_s - self.config.component_period_s
        return sum(at_s > from_s for at_s in self._of_component.get(home_of(target), ()))

    def running(self, target: str) -> int:
        """Actions that are under way on a component."""
        return sum(name == home_of(target) for name, _ in self._running.values())

    def running_by_target(self) -> Counter[str]:
        """How many actions are under way on each component."""
        return Counter(name for name, _ in self._running.values())

    def pause(self, pause: Pause) -> None:
        """Keep hands off for a while."""
        self.pauses.append(pause)

    def announce(self, target: str, windows: Sequence[tuple[float, float]]) -> None:
        """Keep hands off while announced work goes on; it replaces what was announced before."""
        others = (each for each in self.pauses if (each.target, each.who) != (target, ANNOUNCED))
        self.pauses = [
            *others,
            *(
                Pause(target=target, start_s=start_s, end_s=end_s, who=ANNOUNCED, reason=_WORK)
                for start_s, end_s in windows
            ),
        ]

    def resume(self, target: str, now_s: float) -> bool:
        """End all pauses that hold for a target now; ``*`` ends those of the whole estate.

        Returns:
            Whether there was one.
        """
        kept = [each for each in self.pauses if each.target != target or each.start_s > now_s]
        found = len(kept) < len(self.pauses)
        self.pauses = kept
        return found

    def pause_of(self, target: str, now_s: float) -> Pause | None:
        """The pause that holds for a target now and ends last, if there is one.

        That of a component holds for its replicas, and for edges on either side of it.
        """
        self.pauses = [each for each in self.pauses if each.end_s > now_s]
        named = (target, "*", *sides(target))
        holding = [each for each in self.pauses if each.target in named and each.start_s <= now_s]
        return max(holding, key=lambda pause: pause.end_s, default=None)

    def _never(self, target: str, action: ActionFacts) -> Denied | None:
        if not target:
            return Denied("no target: an empty target means nothing, never everything")
        if self.mode_of(target) == "observe":
            return Denied("mode is observe")
        if self.config.allow and action.name not in self.config.allow:
            return Denied(f"action {action.name} is not on the allow-list")
        return None

    def _paused(self, target: str, now_s: float) -> Denied | None:
        pause = self.pause_of(target, now_s)
        if pause is None:
            return None
        reason = f": {pause.reason}" if pause.reason else ""
        return Denied(f"{pause.target} is paused by {pause.who}{reason}", pause.end_s, wanted=True)

    def _too_bad(self, now_s: float) -> Denied | None:
        """Stop the line: who makes things worse again and again does not understand them."""
        config, worse = self.config, self._worse
        while worse and worse[0] + config.worse_period_s <= now_s:
            worse.popleft()
        if len(worse) < config.worse_actions:
            return None
        reason = f"{len(worse)} actions made things worse in {config.worse_period_s:g} s"
        return Denied(f"{reason}: a person goes on")

    def _too_often(self, target: str, estate: EstateView, now_s: float) -> Denied | None:
        config = self.config
        mine = self._of_component.setdefault(target, deque())
        for times, period_s in (
            (mine, config.component_period_s),
            (self._of_estate, config.estate_period_s),
        ):
            # Exactly the sum that `retry_s` promises: a difference may be rounded below it.
            while times and times[0] + period_s <= now_s:
                times.popleft()
        for times, limit, period_s, whose in (
            (mine, config.component_actions, config.component_period_s, target),
            (
                self._of_estate,
                self._share(config.estate_limit(estate.components), mine),
                config.estate_period_s,
                "the estate",
            ),
        ):
            if len(times) >= limit:
                reason = f"{whose} had {len(times)} actions in the last {period_s:g} s"
                return Denied(reason, times[len(times) - limit] + period_s)
        return None

    def _share(self, limit: int, mine: Collection[float]) -> int:
        """How much of an estate-wide limit a component may use that had these actions."""
        return limit - int(limit * self.config.fresh_share) if mine else limit

    def _too_wide(self, target: str, action: ActionFacts, now_s: float) -> Denied | None:
        mine = self._of_component.get(target, ())
        if len(self._running) >= self._share(self.config.concurrent_actions, mine):
            return Denied(f"{len(self._running)} actions are under way", now_s + _ASK_AGAIN_S)
        if action.disruptive and (target, True) in self._running.values():
            return Denied(f"another action is under way on {target}", now_s + _ASK_AGAIN_S)
        return None

    def _doubtful(
        self, target: str, action: ActionFacts, estate: EstateView, now_s: float
    ) -> Denied | None:
        config = self.config
        later_s = now_s + _ASK_AGAIN_S
        panic = config.panic_share * estate.components
        if estate.blamed >= config.panic_minimum and estate.blamed > panic:
            return Denied(
                f"{estate.blamed} of {estate.components} components look sick by themselves: "
                "rather the monitoring is",
                later_s,
            )
        if not action.disruptive:
            return None
        touched = {name for name, disruptive in self._running.values() if disruptive} | {target}
        if len(touched) > max(1.0, config.blast_share * estate.components):
            return Denied(
                f"disruptive actions touch {len(touched) - 1} of {estate.components} components",
                later_s,
            )
        healthy = estate.group_healthy
        if healthy is not None and healthy < config.healthy_minimum:
            return Denied(f"only {healthy} others of its group are healthy", later_s)
        return None
