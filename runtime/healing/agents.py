"""Full healing for a program: the six verbs, answered by agents that run beside it.

The agents need no telling: they begin an action as soon as it is chosen. So selecting tells what
they have chosen, and applying waits until it is done. What is asked is asked over the bus, by an
agent of its own; nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from ...agents.agent import Agent, AgentConfig, on
from ...agents.ports import Sample, World
from ...agents.registry import LoadedAgent
from ...bus.messages import (
    ActionFinished,
    AnomalyDetected,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    ProbeNow,
    RunAction,
    TargetProbed,
)
from ...core.incidents.casefile import Stage
from ...core.levels import Level
from ...core.records import ExperienceRecord
from ...core.topology import home_of
from ...errors import ConfigError
from ..system import System
from .notes import Notes
from .protocol import Detection, HealthStatus, Lesson, RecoveryStatus, Response
from .setup import Memory, Source, checked_level, checked_time
from .watched import Watched, health_of, not_run

CLERK = "self-healing"

# A look at what was told takes no time; this is for a Monitor that is being restarted.
_LOOK_S = 5.0
# After its own timeout an action is told to be over at once, unless Recovery is being restarted.
_GRACE_S = 5.0


class _News:
    """Who waits for something to be heard."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[Message], bool]] = {}

    def tell(self, message: Message) -> None:
        """Let those go on whose wait is over with this message."""
        for future, is_it in list(self._waiting.items()):
            if not future.done() and is_it(message):
                future.set_result(None)

    async def wait(self, is_it: Callable[[Message], bool], timeout_s: float) -> bool:
        """Wait for a message; whether it came in time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = is_it
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            del self._waiting[future]
        return True


def _clerk(notes: Notes, news: _News) -> type[Agent[AgentConfig]]:
    """An agent that hears on the bus what a program may want to know."""

    class Clerk(Agent[AgentConfig]):
        name = CLERK

        @on(AnomalyDetected)
        @on(IncidentOpened)
        @on(IncidentChanged)
        @on(IncidentClosed)
        @on(RunAction)
        @on(ActionFinished)
        @on(TargetProbed)
        def hear(self, message: Message) -> None:
            """Take it down, and let those go on who wait for it."""
            notes.hear(message)
            news.tell(message)

    return Clerk


class AgentsHealer(Watched):
    """Heals what is watched by agents (`mendel.runtime.healing.protocol.SelfHealing`).

    Use it as ``async with mendel.create("full") as healer:``; the agents live as long.

    Args:
        level: of every component, to begin with.
        source: settings; see `mendel.create`.
        world: probes and actions beside what the program tells and gives.

    Attributes:
        system: the agents and all that they need; there once the healer is entered.
    """

    system: System
    _begins = "`async with`"

    def __init__(self, level: Level, source: Source = None, world: World | None = None) -> None:
        super().__init__(level, source, world)
        self._news = _News()

    async def __aenter__(self) -> AgentsHealer:
        self._setup.check()
        self.system = System(self._setup.config, self._setup.world, Memory(self._learned))
        await self.system.__aenter__()
        self._begun = True
        self._notes = Notes(self.system.parts, runs_itself=True)
        clerk = _clerk(self._notes, self._news)
        self.system.add_agent(LoadedAgent(CLERK, __name__, clerk, AgentConfig()))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._begun = False
        await self.system.__aexit__(*error)

    # --- the six verbs ------------------------------------------------------------------------

    async def detect_anomaly(
        self,
        target: str,
        metrics: Mapping[str, float] | None = None,
        *,
        detail: str = "",
        now_s: float | None = None,
    ) -> Detection:
        """Take a sample, and tell what the Monitor makes of it.

        Agents live by the clock of their event loop: ``now_s`` is checked, and that is all.
        """
        self._asked(target, now_s)
        if metrics is not None:
            self._setup.world.tell(target, Sample(self._checked(target, metrics), detail))
        elif self._setup.world.is_told_of(target):
            raise ConfigError(f"{target!r} has no probe of its own; its metrics have to be told")

        def is_it(message: Message) -> bool:
            return isinstance(message, TargetProbed) and message.target == target

        await self._ask(ProbeNow(target=target), is_it, _LOOK_S)
        return self._notes.detection(target, self._now())

    async def select_response(self, target: str, *, now_s: float | None = None) -> Response:
        """Tell what the Coordinator has chosen; it may be under way already."""
        self._asked(target, now_s)
        book, home = self.system.parts.casebook, home_of(target)
        incident = book.incidents.get(home)
        if incident is not None and incident.stage is Stage.CONSULTING:
            await self._news.wait(
                lambda message: (
                    isinstance(message, RunAction | IncidentChanged)
                    and home_of(message.target) == home
                ),
                incident.care.incident.consult_s,
            )
        return self._notes.response(target)

    async def apply_response(self, response: Response) -> ActionFinished:
        """Wait until Recovery has carried a response out; tell how that went."""
        self._running()
        ledger = self.system.parts.ledger
        command = self._notes.command(response.intent)
        if command is None:
            reason = response.reason or "there is nothing to carry out"
            return not_run(response, reason, self._now())
        if response.intent not in ledger.finished:
            await self._news.wait(
                lambda message: (
                    isinstance(message, ActionFinished) and message.intent == response.intent
                ),
                command.timeout_s + _GRACE_S,
            )
        finished = ledger.finished.get(response.intent)
        self._notes.applied(command.intent)
        return finished or not_run(response, "nobody told how it went", self._now())

    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        """Tell whether the target is proven well again."""
        self._asked(target, now_s)
        return self._notes.recovery(target)

    async def learn_from_incident(self, experience: Sequence[ExperienceRecord]) -> Lesson:
        """Learn from an incident that was seen elsewhere."""
        self._running()
        return self._school.teach(self.system.parts, experience)

    async def get_health_status(self, *, now_s: float | None = None) -> HealthStatus:
        """Tell how everything is."""
        self._running()
        if now_s is not None:
            checked_time(now_s)
        return health_of(self.system.parts, self._now())

    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        """Heal a component on another level from now on, its open incident included."""
        self._asked(component, None)
        await self.system.change_level(component, checked_level(level), reason=reason)

    async def tell(self, message: Message, *, now_s: float | None = None) -> None:
        """Pass on what a person wishes: `PauseTarget`, `ResumeTarget` or `ApprovalGiven`."""
        self._running()
        await self.system.bus.publish(message)

    # --- inside -------------------------------------------------------------------------------

    async def _ask(
        self, message: Message, is_it: Callable[[Message], bool], timeout_s: float
    ) -> None:
        answer = asyncio.ensure_future(self._news.wait(is_it, timeout_s))
        await asyncio.sleep(0)  # It listens before anything is sent.
        await self.system.bus.publish(message)
        await answer

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _running(self) -> None:
        if not self._begun:
            raise ConfigError("the agents do not run; use `async with` on the healer")

    def _asked(self, target: str, now_s: float | None) -> None:
        self._running()
        if now_s is not None:
            checked_time(now_s)
        self._known(target)
