"""What people and programs may ask of a running system, answered by the system itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from ..bus.envelope import Envelope
from ..bus.messages import (
    READINGS,
    ApprovalGiven,
    EvolutionSteered,
    Heartbeat,
    PauseTarget,
    Reading,
    ResumeTarget,
    Status,
    SteerEvolution,
)
from ..bus.subjects import matches
from ..core.levels import Level
from ..core.notes import told
from ..core.topology import Annotation, Component
from ..documents.kinds import did_you_mean
from ..errors import ConfigError, NoResponders
from .details import approvals_of, audit_view, incident_detail, signals_of
from .leases import Lease, LeaseOutcome, Leases
from .lineage import LineageView, lineage_view
from .news import News
from .outlook import forecasts_view, reliefs_view
from .reload import Reloader, outcome_of
from .replays import Replays, ReplayView, ScenarioView, scenario_views
from .resources import Steward
from .store import Archive
from .system import System
from .telemetry.success import Success, success
from .usage import ResourcesView
from .verbs import Wished
from .views import (
    AgentView,
    ApprovalView,
    AuditView,
    ComponentDetail,
    ComponentView,
    EventView,
    IncidentDetail,
    IncidentView,
    ReloadView,
    SignalsView,
    SteeredView,
    SystemView,
    incident_view,
)
from .words import in_words

# Genes are in force in milliseconds, unless an agent that has to take them is busy.
_STEERED_S = 5.0

_STATES = {"running": "running", "waiting": "restarting", "ended": "stopped"}


class SystemControls:
    """The `Controls` of one system; made once it runs.

    Args:
        system: which one.
        config: path of its configuration file.
        store: path of its database.
        version: of mendel.
        reloader: puts other configurations into force.
        steward: knows what mendel itself uses.
        on_stop: called when somebody asks to stop.
    """

    def __init__(
        self,
        system: System,
        *,
        config: Path,
        store: Path,
        version: str,
        reloader: Reloader,
        steward: Steward,
        on_stop: Callable[[], None],
    ) -> None:
        self._system = system
        self._config = config
        self._store = store
        self._version = version
        self._reloader = reloader
        self._steward = steward
        self._on_stop = on_stop
        self._loop = asyncio.get_running_loop()
        self._news = News()
        self._leases = Leases()
        self.asked_replays = Replays(store.parent / "replays")
        system.bus.tap(self._news.hear, without=READINGS)

    # --- questions ----------------------------------------------------------------------------

    async def status(self) -> SystemView:
        """How everything is."""
        return self.system_view()

    async def agents(self) -> Sequence[AgentView]:
        """How the agents are."""
        return self.agent_views()

    def system_view(self) -> SystemView:
        """How everything is, at once."""
        system = self._system
        return SystemView(
            pid=os.getpid(),
            version=self._version,
            config=str(self._config),
            mode=system.parts.policy.config.mode,
            status=system.health(),
            uptime_s=self._loop.time() - system.started_s,
            components=self._components(),
            approvals=tuple(self._approvals()),
            warnings=tuple(self._news.warnings.values()),
            forecasts=forecasts_view(chart.watch for chart in system.parts.charts.values()),
            reliefs=reliefs_view(system.parts.casebook.load.reliefs.values()),
            counters=self._counters(),
            url=system.url,
        )

    def components(self) -> Sequence[Component]:
        """What is watched, with what it depends on."""
        return tuple(self._system.parts.casebook.topology.components.values())

    def newest_signals(self) -> dict[str, dict[str, float]]:
        """The newest row of readings of each component."""
        charts = self._system.parts.charts
        names = (name for name in self._system.parts.casebook.topology.components if name in charts)
        return {name: charts[name].rows.newest() for name in names}

    def agent_views(self) -> Sequence[AgentView]:
        """How the agents are, at once."""
        boxes = {box.name: box for box in self._system.bus.stats().mailboxes}
        views = []
        for name, child in self._system.agents().items():
            box, kind = boxes[name], self._system.kinds[name]
            view = AgentView(
                name=name,
                kind=f"{kind.__module__}:{kind.__qualname__}",
                state=_STATES[child.state],
                restarts=child.restarts,
                depth=box.depth,
                age_s=box.age_s,
                handled=box.taken,
                dropped=sum(box.dropped.values()),
                error=child.error,
                cpu_s=self._system.seats[name].meter.busy_s,
            )
            views.append(view)
        return views

    async def incidents(self, *, limit: int) -> Sequence[IncidentView]:
        """The newest incidents, newest first."""
        async with Archive(self._store) as archive:
            found = await archive.incidents(limit=limit)
        return [incident_view(each) for each in found]

    async def incident(self, *, incident: str) -> IncidentDetail:
        """One incident with its story, its signals and what was done."""
        async with Archive(self._store) as archive:
            history = await archive.incident(incident)
        if history is None:
            raise ConfigError(f"there is no incident {incident!r}; see `mendel incidents list`")
        chart = self._system.parts.charts.get(history.summary.record.target)
        return incident_detail(history, chart, self._utc_s())

    async def component(self, *, target: str) -> ComponentDetail:
        """One component with its newest signals."""
        self._check_target(target)
        parts = self._system.parts
        care, chart = parts.casebook.cares[target], parts.charts.get(target)
        return ComponentDetail(
            component=self._component(target, self._system.statuses()[target]),
            plan=care.plan,
            actions=tuple(care.actions),
            signals=SignalsView() if chart is None else signals_of(chart, self._utc_s()),
        )

    async def audit(self, *, limit: int) -> AuditView:
        """The newest rows of the audit trail, newest first, and whether the trail is whole."""
        async with Archive(self._store) as archive:
            return audit_view(await archive.audit(limit=limit), await archive.verify())

    async def genomes(self, *, limit: int) -> LineageView:
        """The newest genomes, what is in force, and the newest search."""
        async with Archive(self._store) as archive:
            kept = await archive.genomes(limit=limit)
            return lineage_view(kept, await archive.adoption(), await archive.search())

    async def success(self, *, period_s: float) -> Success:
        """How well healing went over the last so many seconds."""
        now_utc = time.time()
        async with Archive(self._store) as archive:
            stories = await archive.stories(since_utc=now_utc - period_s)
        return success(stories, now_utc - period_s, now_utc)

    def recent_events(self, *, pattern: str, limit: int) -> Sequence[EventView]:
        """The newest events of subjects that match, oldest first."""
        found = [each for each in self._news.events if matches(pattern, each.subject)]
        return [self._event(each) for each in found[-limit:]]

    def follow_events(
        self, *, pattern: str, callback: Callable[[Sequence[EventView]], None]
    ) -> Callable[[], None]:
        """Hand over events as they come; returns what ends that.

        Readings come by the thousand and only to those who name them in the pattern.
        """

        def hand_over(batch: list[Envelope]) -> None:
            callback([self._event(each) for each in batch])

        without = "" if pattern.startswith(Reading.topic) else READINGS
        return self._system.bus.tap(hand_over, pattern, without=without).close

    def tap(self, callback: Callable[[list[Envelope]], None]) -> Callable[[], None]:
        """Hand over everything that is news; returns what ends that."""
        return self._system.bus.tap(callback, without=READINGS).close

    # --- wishes -------------------------------------------------------------------------------

    async def pause(self, *, target: str, for_s: float, who: str, reason: str) -> None:
        """Keep hands off a component, or off everything (``*``)."""
        self._check_target(target)
        wish = PauseTarget(target=target, duration_s=for_s, who=who, reason=reason)
        await self._system.bus.publish(wish)

    async def resume(self, *, target: str, who: str, reason: str) -> None:
        """End a pause, and take up again what was handed to a person."""
        self._check_target(target)
        await self._system.bus.publish(ResumeTarget(target=target, who=who, reason=reason))

    async def approve(self, *, approval: str, who: str, reason: str) -> None:
        """Let an action run that waits for it."""
        waiting = [each.approval for each in self._approvals()]
        if approval not in waiting:
            known = f"waiting: {', '.join(waiting)}" if waiting else "nothing waits for approval"
            raise ConfigError(f"no action waits for approval {approval!r}; {known}")
        await self._system.bus.publish(ApprovalGiven(approval=approval, who=who, reason=reason))

    async def heartbeat(self, *, target: str, metrics: dict[str, float]) -> None:
        """A component reports itself."""
        self._check_target(target)
        await self._system.bus.publish(Heartbeat(target=target, metrics=metrics))

    async def annotate(self, *, target: str, version: str, age_s: float, who: str) -> None:
        """A component was deployed ``age_s`` ago; troubles since then are seen in its light."""
        self._check_target(target)
        now_s = self._loop.time()
        before = self._system.parts.casebook.annotations.get(target, Annotation())
        known = structs.replace(before, version=version, deployed_s=now_s - age_s)
        await self._system.bus.publish(told(target, known, now_s, who=who))

    async def change_level(self, *, target: str, level: Level, who: str, reason: str) -> None:
        """Heal a component on another level; it outlives reloads."""
        await self._system.change_level(target, level, who=who, reason=reason)

    async def scenarios(self) -> Sequence[ScenarioView]:
        """The scenarios that ship."""
        return await asyncio.to_thread(scenario_views)  # Dozens of files.

    async def replays(self) -> Sequence[ReplayView]:
        """The newest replays that were asked for here, newest first."""
        return self.asked_replays.list()

    async def replay(self, *, scenario: str, levels: tuple[Level, ...], seed: int) -> ReplayView:
        """Replay a scenario that ships, on several levels side by side."""
        return self.asked_replays.begin(scenario, levels, seed)

    async def close(self) -> None:
        """End what was begun for those who asked."""
        self._leases.close()
        await self.asked_replays.close()

    async def acquire(self, *, target: str, lease_s: float) -> Lease:
        """Ask the guard of a target whether a call may be made."""
        return self._leases.acquire(target, lease_s)

    async def release(self, *, lease: str, outcome: LeaseOutcome, duration_s: float) -> None:
        """Tell how a call went that was let pass."""
        self._leases.release(lease, outcome, duration_s)

    async def resources(self) -> ResourcesView:
        """What mendel itself uses, and what it does without."""
        return self._steward.view()

    async def reload(self, *, who: str, reason: str) -> ReloadView:
        """Put into force what the configuration file says now."""
        return await outcome_of(self._reloader.reload(who=who, reason=reason))

    async def rollback(self, *, version: int, who: str, reason: str) -> ReloadView:
        """Put an earlier version of the configuration into force; the file stays as it is."""
        async with Archive(self._store) as archive:
            change = self._reloader.roll_back(version, archive, who=who, reason=reason)
            return await outcome_of(change)

    async def evolution(
        self, *, wish: Wished, genome: int, genes: dict[str, Any], who: str
    ) -> SteeredView:
        """Breed, promote, roll back, freeze, thaw, approve or import."""
        message = SteerEvolution(wish=wish, genome=genome, genes=genes, who=who)
        try:
            answer = await self._system.bus.request(message, timeout_s=_STEERED_S)
        except NoResponders:
            raise ConfigError(
                'nothing evolves here; set `level = "full"` for a component or in [defaults]'
            ) from None
        assert isinstance(answer, EvolutionSteered), f"{answer} is no answer to {message}"
        if not answer.accepted:
            raise ConfigError(answer.reason)
        return SteeredView(answer.reason)

    async def stop(self, *, who: str) -> None:
        """Begin to stop; returns before it is done."""
        self._on_stop()

    # --- inside -------------------------------------------------------------------------------

    def _components(self) -> tuple[ComponentView, ...]:
        statuses = self._system.statuses()
        return tuple(self._component(name, status) for name, status in statuses.items())

    def _component(self, name: str, status: Status) -> ComponentView:
        parts, now_s = self._system.parts, self._loop.time()
        component = parts.casebook.topology.components[name]
        health = self._news.health.get(name)
        incident = parts.casebook.incidents.get(name)
        pause = parts.policy.pause_of(name, now_s)
        return ComponentView(
            name=name,
            kind=component.kind,
            status=status,
            reason=health.reason if health is not None else "not looked at yet",
            for_s=now_s - (health.changed_s if health is not None else self._system.started_s),
            circuit=parts.board.state_of(name),
            mode=parts.policy.mode_of(name),
            paused_s=pause.end_s - now_s if pause is not None else 0.0,
            incident=incident.name if incident is not None else "",
            stage=incident.stage if incident is not None else "",
            depends_on=component.depends_on,
            level=parts.casebook.cares[name].level,
            parts={
                part: seen.status
                for part in parts.casebook.topology.parts(name)
                if (seen := parts.charts[part].watch).status in (Status.SICK, Status.SUSPECT)
            },
        )

    def _approvals(self) -> list[ApprovalView]:
        incidents = self._system.parts.casebook.incidents
        return approvals_of(incidents, self._news.asked, self._loop.time())

    def _counters(self) -> dict[str, float]:
        stats = self._system.bus.stats()
        dead = {f"dead.{reason}": float(count) for reason, count in stats.dead.items()}
        told = {name: float(count) for name, count in sorted(self._news.counts.items())}
        seen = float(sum(chart.rows.count for chart in self._system.parts.charts.values()))
        return {"published": float(stats.published), "readings": seen} | told | dead

    def _event(self, envelope: Envelope) -> EventView:
        return EventView(
            id=envelope.id,
            utc=self._utc_s() + envelope.sent_s,
            subject=envelope.subject,
            type=type(envelope.message).__name__,
            message=msgspec.to_builtins(envelope.message),
            text=in_words(envelope.message),
        )

    def _utc_s(self) -> float:
        """Wall time minus loop time."""
        return time.time() - self._loop.time()

    def _check_target(self, target: str) -> None:
        known = list(self._system.parts.casebook.topology.components)
        if target != "*" and target not in known:
            help_ = did_you_mean(target, known, "components")
            raise ConfigError(f"there is no component {target!r}; {help_}")
