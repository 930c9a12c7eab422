"""What becomes of the healer itself: its agents, configuration, resources and store."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .base import Message


class AgentStarted(Message, frozen=True, kw_only=True):
    """An agent takes messages; ``restarts`` counts how often it has been restarted."""

    agent: str
    restarts: int
    started_s: float


class AgentCrashed(Message, frozen=True, kw_only=True):
    """An agent failed and its supervisor deals with it.

    Attributes:
        agent: which agent.
        error: type and text of the error.
        verdict: what the supervisor decided (``restart in 0.2 s``, ``escalate``).
        crashed_s: when.
    """

    agent: str
    error: str
    verdict: str
    crashed_s: float


class AgentStopped(Message, frozen=True, kw_only=True):
    """An agent ended and will not be restarted; ``reason`` says why."""

    agent: str
    reason: str
    stopped_s: float


class PluginRejected(Message, frozen=True, kw_only=True):
    """A plug-in could not be loaded; the rest runs on."""

    place: str
    reason: str


class Reconfigure(Message, frozen=True, kw_only=True):
    """Take a new configuration, whole or not at all; answered by `Reconfigured`.

    Attributes:
        agent: which agent.
        settings: fields of its configuration to change, as they stand in a file.
    """

    system: ClassVar[bool] = True

    agent: str
    settings: dict[str, Any]

    @property
    def subject(self) -> str:
        """Addressed to one agent."""
        return f"{self.topic}.{self.agent}"


class Reconfigured(Message, frozen=True, kw_only=True):
    """An agent now runs with another configuration, or says why not.

    Attributes:
        agent: which agent.
        accepted: whether the configuration was taken.
        reason: why not, or empty.
    """

    agent: str
    accepted: bool
    reason: str = ""


class ConfigChanged(Message, frozen=True, kw_only=True):
    """The system heals by another configuration from now on.

    Attributes:
        changes: what is different, in words; the first hundred.
        source: where the configuration was read.
        who: the person or program that asked for it.
        reason: why, or empty.
        took_s: how long it took to put into force, once it was read and found good.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    changes: tuple[str, ...]
    source: str = ""
    who: str = ""
    reason: str = ""
    took_s: float = 0.0
    changed_s: float


class LevelsChanged(Message, frozen=True, kw_only=True):
    """Components are healed on other levels from now on; what is known of them stays.

    Attributes:
        components: how many.
        levels: the former and the present level by component; the first hundred.
        who: the person or program that wants it so; ``resources`` when levels are lowered for want
            of them, or come back.
        reason: why, or empty.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    components: int
    levels: dict[str, tuple[str, str]]
    who: str = ""
    reason: str = ""
    changed_s: float


class ConfigRefused(Message, frozen=True, kw_only=True):
    """A configuration was not taken; the one before it holds, unchanged.

    Attributes:
        problems: everything that is wrong with it, in words; the first hundred.
        source: where it was read.
        who: the person or program that asked for it.
        refused_s: when.
    """

    system: ClassVar[bool] = True

    problems: tuple[str, ...]
    source: str = ""
    who: str = ""
    refused_s: float


class ResourcesChanged(Message, frozen=True, kw_only=True):
    """Mendel gives something up because it has too little to work with, or takes it up again.

    Attributes:
        step: how much it does without, from 0 for nothing; see `mendel.core.pressure`.
        evolves: whether configurations are bred.
        stretch: factor on the intervals of the probes of healthy targets.
        ceiling: the highest level that is carried out.
        reasons: limits that are exceeded, in words; empty when something is taken up again.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    step: int
    evolves: bool
    stretch: float
    ceiling: str
    reasons: tuple[str, ...] = ()
    changed_s: float


class AllowanceExceeded(Message, frozen=True, kw_only=True):
    """One agent, or the care of one component, uses more than is allowed to one, or less again.

    Attributes:
        kind: what it is.
        name: which one.
        step: how much it is held back, from 0 for not at all; see `mendel.core.pressure`.
        reasons: the limits that it exceeds, in words; empty on the way back.
        done: what is done about it, in words.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    kind: Literal["agent", "component"]
    name: str
    step: int
    reasons: tuple[str, ...] = ()
    done: str = ""
    changed_s: float


class StoreDegraded(Message, frozen=True, kw_only=True):
    """The store cannot write; healing goes on, and its record is in memory only."""

    reason: str
    degraded_s: float


class StoreRecovered(Message, frozen=True, kw_only=True):
    """The store writes again; ``lost`` entries did not fit into memory meanwhile."""

    lost: int
    recovered_s: float
