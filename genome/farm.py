"""What the genome agent is told, and what it asks of the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from msgspec import Meta

from ..agents.agent import AgentConfig
from ..core.adoption import AdoptionConfig

if TYPE_CHECKING:
    from .task import Job


class EvolveConfig(AgentConfig, frozen=True, kw_only=True):
    """When and how configurations are bred.

    Attributes:
        mode: ``auto`` breeds and adopts by itself, ``ask`` breeds but adopts nothing without a
            person, ``off`` does neither unless asked.
        new_incidents: closed since the last search that begin the next one.
        every_s: time after which one is begun anyway, if there was any incident.
        cpu_share: of one core, for each of its processes.
        budget_s: CPU seconds that a search may take; it ends with what it has found until then.
            ``None`` for as many as it needs.
        engine: who judges candidates: ``local`` processes, or a ``dask`` cluster.
        address: of the scheduler of that, such as ``tcp://10.0.0.5:8786``.
        processes: that judge, on this machine.
        population: candidates of a generation.
        generations: how many of them.
        polish: evaluations for the local search at the end.
        seed: of all chance.
        rehearsals: simulated troubles of the components as they are configured; what did best on
            recorded incidents must do no more harm in them than what is in force.
        adoption: how much proof a candidate needs.
    """

    mode: Literal["auto", "ask", "off"] = "ask"
    new_incidents: Annotated[int, Meta(ge=1)] = 20
    every_s: Annotated[float, Meta(gt=0)] = 7 * 86_400.0
    cpu_share: Annotated[float, Meta(gt=0, le=1)] = 0.25
    budget_s: Annotated[float, Meta(gt=0)] | None = None
    engine: Literal["local", "dask"] = "local"
    address: str = ""
    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    population: Annotated[int, Meta(ge=4, le=1000)] = 40
    generations: Annotated[int, Meta(ge=1, le=10_000)] = 25
    polish: Annotated[int, Meta(ge=0, le=100_000)] = 200
    seed: Annotated[int, Meta(ge=0)] = 1
    rehearsals: Annotated[int, Meta(ge=0, le=1000)] = 4
    adoption: AdoptionConfig = AdoptionConfig()


class Farm(Protocol):
    """What only the runtime can do for this agent."""

    async def job(
        self,
        config: EvolveConfig,
        seed: int,
        known: Sequence[Mapping[str, Any]],
        state: Mapping[str, Any] | None,
    ) -> Job:
        """The work of one search."""
        ...

    async def deploy(self, genes: Mapping[str, Any], where: str, share: float) -> None:
        """Put genes in force.

        Args:
            genes: by name.
            where: as in `Deploy`.
            share: of the components, for a canary.

        Raises:
            ConfigError: they do not fit; everything is as before.
        """
        ...

    def check(self, genes: Mapping[str, Any]) -> None:
        """Refuse genes that could not be deployed.

        Raises:
            ConfigError: they do not fit the configuration.
        """
        ...

    def rewritten(self, source: str) -> None:
        """A person has changed what holds.

        Args:
            source: where the configuration was read anew; empty when only a level was changed.
        """
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...

    def is_canary(self, target: str) -> bool:
        """Whether a target is healed by the candidate."""
        ...
