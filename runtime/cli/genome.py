"""Commands about genomes: what was bred, what is in force, and breeding by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from msgspec import Struct, structs

from ...core.units import format_duration
from ...errors import ConfigError, MendelError
from ..client import ControlClient
from ..lineage import GenomeView, front_view, genome_view
from ..views import SteeredView
from .history import ask_archive
from .output import PLAIN, Out, Printer
from .place import SOCKET_NAME, Place, state_folder

if TYPE_CHECKING:
    from ...core.adoption import Standing
    from ...core.records import GenomeRecord
    from ...genome.service import EvolveConfig
    from ...genome.task import Advanced, Bred, Job
    from ..store.archive import Archive, KeptGenome

_STEERED_S = 10.0
# Of the incidents of a running system, more than anyone looks at.
_LISTED = 1_000


class NoSuchGenome(MendelError):
    """The store has no genome of this number."""


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


genome = App(
    name="genome",
    help="Breed configurations from incident history, and lead them into force.",
    default_parameter=PLAIN,
)


# --- looking --------------------------------------------------------------------------------------


@genome.command(name="list")
def list_genomes(
    *, last: Annotated[int, Parameter(alias="-n")] = 20, state: Place = None, out: Printer
) -> None:
    """Show what was bred or brought, newest first.

    Args:
        last: at most so many.
    """
    views = _views(state, last)
    if not out.is_text:
        out.show(views)
    elif not views:
        out.note("no genomes yet; see: mendel genome evolve --help")
    else:
        header = ("GENOME", "PROPOSED", "FROM", "ORIGIN", "GAIN", "GENES", "FATE", "WHY")
        out.table(header, [_row(each) for each in views])


@genome.command
def show(number: int, /, *, state: Place = None, out: Printer) -> None:
    """Show one genome: what it changes, what it gains, and what became of it.

    Args:
        number: which.
    """
    view = _view(state, number)
    if not out.is_text:
        out.show(view)
        return
    gain = f"saves {view.gain:.0%} of the harm on held-out incidents, {view.gain_low:.0%} at least"
    out.line(f"genome {view.genome}, {view.origin}, after genome {view.parent}")
    out.line(gain if view.origin == "bred" else "was not examined here")
    out.line(f"{view.fate or 'proposed'}: {view.reason or 'nothing was decided yet'}")
    out.table(("GENE", "VALUE"), [(name, str(value)) for name, value in view.genes.items()])


@genome.command
def diff(number: int, other: int | None = None, /, *, state: Place = None, out: Printer) -> int:
    """Show how a genome differs from another one, by default from the one in force.

    Returns 1 when they differ.

    Args:
        number: which.
        other: the other; 0 is the configuration as it is written.
    """
    genes = _view(state, number).genes
    standing = _standing(state)
    if other is None:
        others, name = dict(standing.incumbent_genes), f"genome {standing.incumbent}, in force"
    else:
        others, name = (_view(state, other).genes if other else {}), f"genome {other}"
    changed = {
        gene: (others.get(gene), genes.get(gene))
        for gene in sorted({*genes, *others})
        if genes.get(gene) != others.get(gene)
    }
    if not out.is_text:
        out.show(changed)
    elif changed:
        rows = [(gene, _value(old), _value(new)) for gene, (old, new) in changed.items()]
        out.table(("GENE", name.upper(), f"GENOME {number}"), rows)
    else:
        out.line(f"genome {number} is the same as {name}")
    return 1 if changed else 0


@genome.command
def front(*, state: Place = None, out: Printer) -> None:
    """Show the newest search and what no candidate of it beats."""
    search = ask_archive(state, lambda archive: archive.search())
    if search is None:
        out.note("there was no search yet; see: mendel genome evolve --help")
        return
    view = front_view(search)
    if not out.is_text:
        out.show(view)
        return
    stands = "over" if view.is_over else f"generation {view.generation} of {view.generations}"
    out.line(
        f"search {view.search}, {stands}: {view.evaluations:.0f} evaluations, hypervolume "
        f"{view.hypervolume:.4f}, {len(view.points)} that nothing beats"
    )
    header = tuple(name.upper() for name in view.objectives)
    out.table(header, [tuple(f"{value:.4g}" for value in row) for row in sorted(view.points)])


# --- steering -------------------------------------------------------------------------------------


@genome.command
def promote(number: int, /, *, state: Place = None, out: Printer) -> None:
    """Put a genome in force everywhere, without further proof.

    Args:
        number: which.
    """
    _steer(state, out, wish="promote", genome=number)


@genome.command
def rollback(*, state: Place = None, out: Printer) -> None:
    """Take back the candidate on trial, or else the last promotion."""
    _steer(state, out, wish="roll_back")


@genome.command
def approve(*, state: Place = None, out: Printer) -> None:
    """Agree to a candidate that waits for a person."""
    _steer(state, out, wish="approve")


@genome.command
def freeze(*, thaw: bool = False, state: Place = None, out: Printer) -> None:
    """Stop all breeding and adoption, until thawed.

    Args:
        thaw: allow it again.
    """
    _steer(state, out, wish="thaw" if thaw else "freeze")


@genome.command
def export(number: int, file: Path, /, *, state: Place = None, out: Printer) -> None:
    """Write a genome to a file, to be brought to another system.

    Args:
        number: which.
        file: a new file.
    """
    import msgspec

    kept = _kept(state, number)
    _write(file, msgspec.json.format(msgspec.json.encode(kept.record), indent=2))
    out.note(f"{file} holds genome {number}")


@genome.command(name="import")
def import_genome(file: Path, /, *, state: Place = None, out: Printer) -> None:
    """Bring a genome to a running system; nothing of it is in force before it is promoted.

    Args:
        file: that `mendel genome export` or `evolve --export` wrote.
    """
    _steer(state, out, wish="import", genes=_read(file).genes)


# --- breeding -------------------------------------------------------------------------------------


@genome.command
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
    export: Path | None = None,
    state: Place = None,
    out: Printer,
) -> int:
    """Breed a better configuration.

    Without --history and --scenario a running system is asked to begin a search. With one of them,
    the search is done here and now, and nothing is put in force: on the incidents of that store, or
    on simulated scenarios, which is slower and judges plug-ins as well. Returns 1 when nothing
    better was found.

    Args:
        config: the configuration to improve; by default the one that the store was written under.
        history: a store with incidents, such as .mendel/store.db; only read.
        scenario: a scenario that ships, or a file; repeatable.
        runs: courses of each scenario to train on, to validate by, and to hold out.
        generations: how many.
        population: candidates of each.
        seed: of all chance.
        cpu_share: of one core, from 0 to 1.
        export: write what was found to this file, for `mendel genome import`.
    """
    if history is None and not scenario:
        _steer(state, out, wish="evolve")
        return 0
    import asyncio

    from ...genome.service import EvolveConfig

    for name, value, least in (
        ("generations", generations, 1),
        ("population", population, 4),
        ("runs", runs, 1),
    ):
        if value < least:
            raise ConfigError(f"--{name} {value} is too few; at least {least}")
    if not 0 < cpu_share <= 1:
        raise ConfigError(f"--cpu-share {cpu_share:g} is no share of a core; from 0 to 1")
    if export is not None and export.exists():
        raise ConfigError(f"{export} exists; give another name, or move it away")
    began_s = time.monotonic()
    how = EvolveConfig(population=population, generations=generations, cpu_share=cpu_share)
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
    rows = [(gene, _value(old), _value(new)) for gene, (old, new) in view.changes.items()]
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


# --- inside ---------------------------------------------------------------------------------------


def _steer(place: Place, out: Out, **wish: Any) -> None:
    socket = state_folder(place) / SOCKET_NAME
    with ControlClient(socket, timeout_s=_STEERED_S) as runtime:
        view = runtime.ask("evolution", SteeredView, **wish)
    if out.is_text:
        out.line(view.done)
    else:
        out.show(view)


def _views(place: Place, last: int) -> list[GenomeView]:
    async def question(archive: Archive) -> list[GenomeView]:
        adoption = await archive.adoption()
        in_force = adoption.standing.incumbent if adoption is not None else 0
        return [genome_view(each, in_force) for each in await archive.genomes(limit=last)]

    return ask_archive(place, question)


def _view(place: Place, number: int) -> GenomeView:
    views = {each.genome: each for each in _views(place, _LISTED)}
    if number not in views:
        raise NoSuchGenome(_missing(number, list(views)))
    return views[number]


def _kept(place: Place, number: int) -> KeptGenome:
    async def question(archive: Archive) -> Sequence[KeptGenome]:
        return await archive.genomes(limit=_LISTED)

    kept = {each.record.genome: each for each in ask_archive(place, question)}
    if number not in kept:
        raise NoSuchGenome(_missing(number, list(kept)))
    return kept[number]


def _missing(number: int, known: list[int]) -> str:
    there = f"there are: {', '.join(map(str, known[:10]))}" if known else "there is none yet"
    return f"there is no genome {number}; {there}"


def _standing(place: Place) -> Standing:
    from ...core.adoption import Standing

    adoption = ask_archive(place, lambda archive: archive.adoption())
    return adoption.standing if adoption is not None else Standing()


def _row(view: GenomeView) -> tuple[str, ...]:
    return (
        f"{view.genome}{' (in force)' if view.in_force else ''}",
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.utc)),
        str(view.parent),
        view.origin,
        f"{view.gain:.0%}" if view.origin == "bred" else "-",
        str(len(view.genes)),
        view.fate,
        view.reason,
    )


def _value(value: Any) -> str:
    return "as written" if value is None else str(value)


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
    _write(file, msgspec.json.format(msgspec.json.encode(record), indent=2))


def _write(file: Path, text: bytes) -> None:
    try:
        with file.open("xb") as opened:
            opened.write(text + b"\n")
    except FileExistsError:
        raise ConfigError(f"{file} exists; give another name, or move it away") from None
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error}") from error


def _read(file: Path) -> GenomeRecord:
    import msgspec

    from ...core.records import GenomeRecord

    try:
        return msgspec.json.decode(file.read_bytes(), type=GenomeRecord)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{file} is no genome that mendel wrote: {error}") from error
