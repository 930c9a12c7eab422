"""Commands about genomes: what was bred, what is in force, and breeding by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

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
    from ..store.archive import Archive, KeptGenome

_STEERED_S = 10.0
# Of the incidents of a running system, more than anyone looks at.
_LISTED = 1_000


class NoSuchGenome(MendelError):
    """The store has no genome of this number."""


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
        rows = [(gene, value_of(old), value_of(new)) for gene, (old, new) in changed.items()]
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
    steer(state, out, wish="promote", genome=number)


@genome.command
def rollback(*, state: Place = None, out: Printer) -> None:
    """Take back the candidate on trial, or else the last promotion."""
    steer(state, out, wish="roll_back")


@genome.command
def approve(*, state: Place = None, out: Printer) -> None:
    """Agree to a candidate that waits for a person."""
    steer(state, out, wish="approve")


@genome.command
def freeze(*, thaw: bool = False, state: Place = None, out: Printer) -> None:
    """Stop all breeding and adoption, until thawed.

    Args:
        thaw: allow it again.
    """
    steer(state, out, wish="thaw" if thaw else "freeze")


@genome.command
def export(number: int, file: Path, /, *, state: Place = None, out: Printer) -> None:
    """Write a genome to a file, to be brought to another system.

    Args:
        number: which.
        file: a new file.
    """
    import msgspec

    kept = _kept(state, number)
    write(file, msgspec.json.format(msgspec.json.encode(kept.record), indent=2))
    out.note(f"{file} holds genome {number}")


@genome.command(name="import")
def import_genome(file: Path, /, *, state: Place = None, out: Printer) -> None:
    """Bring a genome to a running system; nothing of it is in force before it is promoted.

    Args:
        file: that `mendel genome export` or `evolve --export` wrote.
    """
    steer(state, out, wish="import", genes=_read(file).genes)


# --- inside ---------------------------------------------------------------------------------------


def steer(place: Place, out: Out, **wish: Any) -> None:
    """Tell a running system what a person wants of evolution, and tell the person what it says."""
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


def value_of(value: Any) -> str:
    """A gene, in words."""
    return "as written" if value is None else str(value)


def write(file: Path, text: bytes) -> None:
    """Make a new file.

    Raises:
        ConfigError: it is there, or cannot be made.
    """
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
