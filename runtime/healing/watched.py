"""What healers on every level have in common: what is watched, and answers without a decision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...agents.ports import Action, World
from ...bus.messages import ActionFinished, RunAction
from ...core.detection.detect import Threshold
from ...core.health import overall
from ...core.levels import Level
from ...core.records import ExperienceRecord
from ...core.topology import Kind
from ...documents.kinds import did_you_mean
from ...errors import ConfigError
from ..factory import Parts
from .learning import Schooling
from .notes import Notes
from .protocol import HealthStatus, Response
from .setup import Setup, Source, checked_metrics
from .told import Deed, Manner


class Watched:
    """What a program wants healed.

    Args:
        level: of every component, to begin with.
        source: settings; see `mendel.create`.
        world: probes and actions beside what the program tells and gives.
    """

    _begins = "the first verb"
    _notes: Notes

    def __init__(self, level: Level, source: Source = None, world: World | None = None) -> None:
        self._setup = Setup(source, level, world)
        self._school = Schooling()
        self._begun = False

    def watch(
        self,
        target: str,
        actions: Mapping[str, Deed | Action] | None = None,
        *,
        kind: Kind = "service",
        depends_on: Sequence[str] = (),
        every_s: float = 1.0,
        plan: Sequence[str] = (),
        thresholds: Mapping[str, Threshold | Mapping[str, Any]] | None = None,
        timeout_s: float = 30.0,
        settle_s: float = 10.0,
    ) -> None:
        """Heal a component; all of them are named before healing begins.

        Args:
            target: its name.
            actions: what can be done to it, by name: functions, asynchronous or quick, or objects
                that keep `mendel.Action`. One that returns ``False`` or raises has failed.
            kind: what sort of thing it is; it decides what is tried first.
            depends_on: components that it cannot do its work without.
            every_s: how often its metrics will be told; a longer silence makes it unknown.
            plan: names of actions in the order in which they are tried, instead of its kind's.
            thresholds: by metric, beside the usual ones.
            timeout_s: how long an action that is a function may take ...
            settle_s: ... and how long its effect may then take to show.

        Raises:
            ConfigError: that makes no sense, or healing has begun.
        """
        if self._begun:
            before = f"{target!r} has to be named before {self._begins}"
            raise ConfigError(f"healing has begun; {before}")
        self._setup.watch(
            target,
            actions,
            kind=kind,
            depends_on=tuple(depends_on),
            every_s=every_s,
            plan=tuple(plan),
            thresholds=thresholds or {},
            manner=Manner(timeout_s=timeout_s, settle_s=settle_s),
        )

    def _known(self, target: str) -> None:
        names = {each.name: None for each in self._setup.world.components}
        if target not in names:
            help_ = did_you_mean(str(target), list(names), "components")
            raise ConfigError(f"nobody watches {target!r}; {help_}")

    def _checked(self, target: str, metrics: Mapping[str, float]) -> dict[str, float]:
        """Metrics that a program tells of a target."""
        checked = checked_metrics(target, metrics)
        if not self._setup.world.is_told_of(target):
            self._known(target)
            raise ConfigError(f"{target!r} has probes of its own; nothing is told of it")
        return checked

    def _learned(self, record: ExperienceRecord) -> None:
        self._school.know(record)
        self._notes.note(record)


def health_of(parts: Parts, now_s: float) -> HealthStatus:
    """How everything is."""
    book = parts.casebook
    statuses = {name: book.status_of(name) for name in book.topology.components}
    return HealthStatus(
        status=overall(statuses),
        components=statuses,
        levels=book.levels,
        incidents={name: incident.name for name, incident in book.incidents.items()},
        at_s=now_s,
    )


def withdrawn(command: RunAction, now_s: float) -> ActionFinished:
    """What has become well by itself needs no action that nobody has begun."""
    return ActionFinished(
        target=command.target,
        intent=command.intent,
        incident=command.incident,
        action=command.action,
        outcome="not_run",
        detail="it was well before anybody did it",
        duration_s=0.0,
        finished_s=now_s,
    )


def not_run(response: Response, why: str, now_s: float) -> ActionFinished:
    """What is told of a response that was not carried out."""
    return ActionFinished(
        target=response.target,
        intent=response.intent,
        incident=response.incident,
        action=response.action,
        outcome="not_run",
        detail=why,
        duration_s=0.0,
        finished_s=now_s if math.isfinite(now_s) else 0.0,
    )
