"""What the genome agent asks of a running system: jobs for its process, and genes in force."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from ..genome.farm import EvolveConfig
from ..genome.service import GenomeService
from .config import Config
from .genomes import with_canary, with_evolved
from .shadow import Shadow

if TYPE_CHECKING:
    from ..genome.task import Job
    from .system import System

_log = logging.getLogger("mendel.farm")

_WHO = GenomeService.name


class SystemFarm:
    """The `Farm` of one system.

    What evolution puts in force lies over the configuration as it is written: when a person changes
    that, the genes are laid over it again.

    Args:
        system: which.
        store: its database, which the process that evolves reads.
    """

    def __init__(self, system: System, store: Path) -> None:
        self._system = system
        self._store = store
        self._written = system.config
        self._genes: Mapping[str, Any] = {}
        self._candidate: Mapping[str, Any] = {}
        self._canaries: frozenset[str] = frozenset()
        self._shadow: asyncio.Task[None] | None = None

    async def job(
        self,
        config: EvolveConfig,
        seed: int,
        known: Sequence[Mapping[str, Any]],
        state: Mapping[str, Any] | None,
    ) -> Job:
        """The work of one search, against what is in force."""
        # With all that is about numbers, which takes too long for the thread of an event loop.
        breeding = await asyncio.to_thread(import_module, ".breeding", __package__)
        job: Job = breeding.order(
            self._store,
            with_evolved(self._written, self._system.plugins, self._genes),
            evolve=config,
            seed=seed,
            known=[dict(each) for each in known],
            state=state,
        )
        return job

    def check(self, genes: Mapping[str, Any]) -> None:
        """Refuse genes that could not be deployed."""
        with_evolved(self._written, self._system.plugins, genes)

    async def deploy(self, genes: Mapping[str, Any], where: str, share: float) -> None:
        """Put genes in force; see `mendel.core.adoption.Deploy`."""
        self.check(genes)
        if where == "everywhere":
            self._genes = genes
        self._candidate = genes if where in ("shadow", "canary") else {}
        self._canaries = self._drawn(share) if where == "canary" else frozenset()
        await self._end_shadow()
        wanted = self._wanted()
        if wanted != self._system.config:
            await self._system.reconfigure(wanted, who=_WHO, reason=f"genes {where}")
        if where == "shadow":
            self._shadow = asyncio.create_task(self._cast(), name="shadow")

    async def close(self) -> None:
        """End what is under way."""
        await self._end_shadow()

    def rewritten(self, source: str) -> None:
        """A person has changed what holds; see `Farm`."""
        now = self._system.config
        if source:
            self._written = now
            return
        levels = {each.name: each.level for each in now.components}
        components = [
            structs.replace(each, level=levels.get(each.name, each.level))
            for each in self._written.components
        ]
        self._written = structs.replace(
            self._written,
            components=tuple(components),
            defaults=structs.replace(self._written.defaults, level=now.defaults.level),
        )

    def is_canary(self, target: str) -> bool:
        """Whether a target is healed by the candidate."""
        return target in self._canaries

    # --- inside -------------------------------------------------------------------------------

    def _drawn(self, share: float) -> frozenset[str]:
        names = [each.name for each in self._written.components]
        count = max(1, round(share * len(names)))
        # By the candidate, so that another one meets others, and a restart the same ones.
        rng = random.Random(repr(sorted(self._candidate.items())))  # noqa: S311  No secret.
        return frozenset(rng.sample(names, min(count, len(names) - 1)))

    async def _cast(self) -> None:
        """Let the candidate decide on what is seen, until it is ended."""
        system = self._system
        config = with_evolved(self._written, system.plugins, self._candidate)
        try:
            async with Shadow(config, system.world, system.bus) as shadow:
                await shadow.wait()
        except Exception:  # noqa: BLE001  A border: healing goes on, whatever a candidate does.
            _log.exception("the shadow has failed; the candidate goes on without one")

    async def _end_shadow(self) -> None:
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.cancel()
            await asyncio.wait({shadow})

    def _wanted(self) -> Config:
        plugins = self._system.plugins
        config = with_evolved(self._written, plugins, self._genes)
        if not self._canaries:
            return config
        return with_canary(
            config, with_evolved(self._written, plugins, self._candidate), self._canaries
        )
