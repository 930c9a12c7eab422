"""What mendel itself uses, as it is told to people and programs."""

from __future__ import annotations

from msgspec import Struct


class AgentUsage(Struct, frozen=True, kw_only=True):
    """What one agent uses.

    Attributes:
        name: which one.
        cpu_share: of one core, over the last measurement.
        cpu_s: since it was started, through all its lives.
        tasks: that it runs beside its mailbox.
        depth: messages that wait for it.
        age_s: how long the oldest of them has been waiting.
        memory_bytes: of what it alone keeps, as estimated; 0 until its turn to be weighed.
        step: how much it is held back, from 0 for not at all.
        excesses: measurements that found it above a limit of its own.
    """

    name: str
    cpu_share: float
    cpu_s: float
    tasks: int
    depth: int
    age_s: float
    memory_bytes: int = 0
    step: int = 0
    excesses: int = 0


class ComponentUsage(Struct, frozen=True, kw_only=True):
    """What is done for one component.

    Attributes:
        name: which one.
        looks: at it since the start.
        actions: that its limit counts at present.
        running: actions that are under way.
        cpu_share: of one core, for looks at it and what follows from them.
        cpu_s: the same since the start.
        tasks: looks and actions that are under way.
        memory_bytes: of what is kept of it, as estimated; 0 until its turn to be weighed.
        step: how much its care is held back, from 0 for not at all.
        excesses: measurements that found it above a limit of its own.
    """

    name: str
    looks: int
    actions: int
    running: int
    cpu_share: float = 0.0
    cpu_s: float = 0.0
    tasks: int = 0
    memory_bytes: int = 0
    step: int = 0
    excesses: int = 0


class ResourcesView(Struct, frozen=True, kw_only=True):
    """What mendel itself uses, and what it does without.

    Attributes:
        cpu_share: of one core, over the last measurement.
        memory_bytes: resident.
        tasks: of the event loop.
        lag_s: how late the event loop rang.
        mailbox_age_s: how long the oldest message of any agent has been waiting.
        limits: by the names above; what has none is missing.
        agent_limits: those of each agent ...
        component_limits: ... and of each component, by the names of `mendel.core.pressure.Portion`.
        step: how much mendel does without, from 0 for nothing.
        stretch: factor on the intervals of the probes of healthy targets.
        ceiling: the highest level that is carried out.
        reasons: limits that are exceeded, in words.
        agents: what each of them uses.
        components: what is done for each of them.
    """

    cpu_share: float
    memory_bytes: int
    tasks: int
    lag_s: float
    mailbox_age_s: float
    limits: dict[str, float]
    agent_limits: dict[str, float]
    component_limits: dict[str, float]
    step: int
    stretch: float
    ceiling: str
    reasons: tuple[str, ...]
    agents: tuple[AgentUsage, ...]
    components: tuple[ComponentUsage, ...]
