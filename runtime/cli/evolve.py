"""``mendel genome evolve``: breeding by hand, here and now, or an order to the running system."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from msgspec import Struct, structs

from ...core.units import format_duration
from ...errors import ConfigError
from .genome import steer, value_of, write
from .output import Out, Printer
from .place import Place
from .times import seconds

if TYPE_CHECKING:
    from ...genome.farm import EvolveConfig
    from ...genome.task import Advanced, Bred, Job


class EvolvedView(Struct, frozen=True, kw_only=True):
    """What came of breeding by hand.

    Attributes:
        evaluations: candidates judged; those by a part of the incidents count in part.
        seconds: that it took.
        hypervolume: of what was found, as a share of what could be.
        incumbent: genes of the configuration in force.
        knee: genes of the best compromise, which was then examined.
        changes: genes that differ, with both values.
        holdout_improvement: share of the harm that the knee saves on incidents that nothing was
            chosen by.
        holdout_improvement_low: the least that is credible.
        support: fewest observations of anything that it changes.
        promoted: whether it is in force now; by hand, nothing ever is without `promote`.
    """

    evaluations: float
    seconds: float
    hypervolume: float
    incumbent: dict[str, Any]
    knee: dict[str, Any]
    changes: dict[str, tuple[Any, Any]]
    holdout_improvement: float
    holdout_improvement_low: float
    support: int
    promoted: bool = False


def evolve(
    config: Path | None = None,
    /,
    *,
    history: Path | None = None,
    scenario: tuple[str, ...] = (),
    runs: int = 2,
    generations: int = 25,
    population: int = 40,
    seed: int = 1,
    cpu_share: float = 1.0,
    budget: Annotated[float | None, Parameter(converter=seconds)] = None,
    processes: int = 1,
    rehearsals: int = 0,
    cluster: str = "",
    export: Path | None = None,
    state: Place = None,
    out: Printer,
) -> int:
    """Breed a better configuration.

    Without --history and --scenario a running system is asked to begin a search. With one of them,
    the search is done here and now, and nothing is put in force: on the incidents of that store, or
    on simulated scenarios, which is slower and judges plug-ins as well. Whoever judges, the same is
    found. Returns 1 when nothing better was found.

    Args:
        config: the configuration to improve; by default the one that the store was written under.
        history: a store with incidents, such as .mendel/store.db; only read.
        scenario: a scenario that ships, or a file; repeatable.
        runs: courses of each scenario to train on, to validate by, and to hold out.
        generations: how many.
        population: candidates of each.
        seed: of all chance.
        cpu_share: of one core, from 0 to 1, for each process.
        budget: processor time that the search may take, such as 30s or 10m; it ends with what it
            has found until then.
        processes: of this machine that judge candidates.
        rehearsals: simulated troubles of the configured components that the winner has to get
            through, with --history.
        cluster: address of a Dask scheduler whose workers judge instead: tcp://10.0.0.5:8786.
        export: write what was found to this file, for `mendel genome import`.
    """
    if history is None and not scenario:
        steer(state, out, wish="evolve")
        return 0
    import asyncio

    if runs < 1:
        raise ConfigError(f"--runs {runs} is too few; at least 1")
    if export is not None and export.exists():
        raise ConfigError(f"{export} exists; give another name, or move it away")
    how = _how(
        population=population,
        generations=generations,
        cpu_share=cpu_share,
        budget_s=budget,
        processes=processes,
        rehearsals=rehearsals,
        address=cluster,
    )
    began_s = time.monotonic()
    if history is None:
        job = _rehearsed(config, scenario, runs, how, seed)
    else:
        job = _recorded(config, history, how, seed)
    bred = asyncio.run(_bred(job, generations, out))
    view = _evolved(bred, time.monotonic() - began_s, seed)
    if export is not None:
        _export(export, bred, view)
    if out.is_text:
        _tell(view, out)
    else:
        out.show(view)
    return 0 if view.changes else 1


def _how(**settings: Any) -> EvolveConfig:
    """The settings of a search, in bounds.

    Raises:
        ConfigError: one of them is not.
    """
    import msgspec

    from ...genome.farm import EvolveConfig

    engine = "dask" if settings["address"] else "local"
    try:
        return msgspec.convert({**settings, "engine": engine}, EvolveConfig)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        option = place.removesuffix("`").removesuffix("_s").replace("_", "-")
        found = settings.get(place.removesuffix("`"))
        raise ConfigError(f"--{option} {found} cannot be: {said}") from error


def _recorded(config: Path | None, history: Path, how: EvolveConfig, seed: int) -> Job:
    from ..breeding import order

    if not history.is_file():
        raise ConfigError(f"{history}: there is no such file; a store is called store.db")
    return order(history, _config(config, history), evolve=how, seed=seed)


def _rehearsed(
    config: Path | None, scenarios: tuple[str, ...], runs: int, how: EvolveConfig, seed: int
) -> Job:
    from ..config import Config, load
    from ..rehearsed import order

    improved = load(config).config if config is not None else Config()
    # As many evaluations for the polish as for two generations: each of them takes its time.
    how = structs.replace(how, polish=2 * how.population)
    return order(improved, scenarios, runs=runs, evolve=how, seed=seed)


async def _bred(job: Job, generations: int, out: Out) -> Bred:
    from ...genome.breeder import Worker
    from ...genome.task import Advanced, Failed

    async with Worker(job) as worker:
        while isinstance(report := await worker.report(), Advanced):
            _progress(report, generations, out)
    if isinstance(report, Failed):
        raise ConfigError(report.reason)
    return report


def _progress(report: Advanced, generations: int, out: Out) -> None:
    state = report.state
    left_s = report.wall_s / state.generation * (generations - state.generation)
    left = f"about {format_duration(left_s)} left" if left_s else "examining the best"
    out.note(
        f"generation {state.generation} of {generations}: {state.evaluations:.0f} evaluations, "
        f"hypervolume {state.hypervolume:.4f}, {len(state.archive.points)} that nothing beats, "
        f"{left}"
    )


def _evolved(bred: Bred, seconds: float, seed: int) -> EvolvedView:
    import random

    from ...core.evidence import gain_of

    rng = random.Random(seed)  # noqa: S311  Resampling is no secret.
    gain = gain_of(bred.hold_out.incumbent, bred.hold_out.candidate, rng.random)
    return EvolvedView(
        evaluations=round(bred.state.evaluations, 1),
        seconds=round(seconds, 2),
        hypervolume=bred.state.hypervolume,
        incumbent=bred.incumbent,
        knee=bred.winner,
        changes={
            name: (bred.incumbent[name], value)
            for name, value in bred.winner.items()
            if bred.incumbent[name] != value
        },
        holdout_improvement=gain.mean,
        holdout_improvement_low=gain.low,
        support=bred.support,
    )


def _tell(view: EvolvedView, out: Out) -> None:
    if not view.changes:
        out.line(f"nothing better was found in {view.evaluations:.0f} evaluations")
        return
    out.line(
        f"saves {view.holdout_improvement:.0%} of the user harm on held-out incidents "
        f"({view.holdout_improvement_low:.0%} at least), found in {view.evaluations:.0f} "
        f"evaluations and {format_duration(view.seconds)}"
    )
    rows = [(gene, value_of(old), value_of(new)) for gene, (old, new) in view.changes.items()]
    out.table(("GENE", "IN FORCE", "FOUND"), rows)


def _config(path: Path | None, history: Path) -> Any:
    import asyncio

    from ..config import load, parse
    from ..store import Archive

    if path is not None:
        return load(path).config

    async def newest() -> str:
        async with Archive(history) as archive:
            versions = await archive.configs(limit=1)
        if not versions:
            raise ConfigError(f"{history} holds no configuration; name one: evolve CONFIG")
        return versions[0].text

    return parse(asyncio.run(newest()), f"configuration in {history}").config


def _export(file: Path, bred: Bred, view: EvolvedView) -> None:
    import msgspec

    from ...core.records import GenomeRecord

    record = GenomeRecord(
        genome=0,
        parent=0,
        origin="bred",
        signature=bred.state.signature,
        genes={name: new for name, (_, new) in view.changes.items()},
        support=view.support,
        gain=view.holdout_improvement,
        gain_low=view.holdout_improvement_low,
    )
    write(file, msgspec.json.format(msgspec.json.encode(record), indent=2))
