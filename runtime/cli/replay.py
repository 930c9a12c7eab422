"""Commands that run the past, or what might happen, in virtual time."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, Token
from msgspec import Struct, structs

from ...core.levels import LEVELS, Level
from ...core.units import format_duration
from ...errors import ConfigError, EnvironmentProblem
from .output import PLAIN, Out, Printer
from .times import seconds

if TYPE_CHECKING:
    from ...scenarios.circuits import CircuitRun
    from ...scenarios.replay import Decision
    from ...scenarios.scoring import Spread
    from ..config import Loaded
    from ..rerun import Rerun

scenarios = App(name="scenarios", help="Look at the scenarios that ship.", default_parameter=PLAIN)


def _levels(_: Any, tokens: tuple[Token, ...]) -> tuple[Level, ...]:
    names = [name.strip() for token in tokens for name in token.value.split(",")]
    for name in names:
        if name not in LEVELS:
            raise ValueError(f"there is no level {name!r}; there are {', '.join(LEVELS)}")
    return tuple(level for level in LEVELS if level in names)


def replay(
    files: Annotated[tuple[Path, ...], Parameter(name="FILE", required=True)],
    /,
    *,
    config: tuple[Path, ...] = (),
    level: Annotated[
        tuple[Level, ...], Parameter(name="--level", n_tokens=1, converter=_levels)
    ] = (),
    seed: int | None = None,
    until_s: Annotated[float | None, Parameter(name="--until", converter=seconds)] = None,
    score: bool = False,
    report: Path | None = None,
    out: Printer,
) -> int:
    """Replay recordings and scenarios in virtual time, and tell what is decided.

    The same files, configurations and seed give the same bytes. Returns 1 when something that a
    scenario demands was not kept.

    Args:
        files: recordings, scenarios (.toml), or names of scenarios that ship.
        config: a configuration to replay them under; repeatable, and then compared.
        level: replay each on these levels, whatever the configuration says, and compare them; one
            or several of basic, advanced and full, with commas between.
        seed: of everything random; by default a scenario's own.
        until_s: how long to follow each, such as 60 or 10m; by default to its end.
        score: tell how much of the avoidable harm of a scenario was avoided; takes some seconds.
        report: draw the course of every run into this file, one HTML page that needs nothing else.
    """
    from ..config import load
    from ..rerun import Order, Setup, rerun

    configs: list[Loaded | None] = [load(each) for each in config]
    setups = [Setup(each, at) for each in configs or [None] for at in level or [None]]
    order = Order(seed=seed, until_s=until_s, scored=score, drawn=report is not None)
    done = []
    for file in files:
        for each in rerun(file, setups, order):
            done.append(each)
            out.note(f"{each.file} under {each.setup}: {len(each.outcome.decisions)} decisions")
    if report is not None:
        _write_report(report, done, out)
    if out.is_text:
        _tell(done, out)
    else:
        out.show([structs.replace(each, course=None) for each in done])
    return 1 if any(each.broken_demands for each in done) else 0


def _write_report(path: Path, done: list[Rerun], out: Out) -> None:
    from ..report.page import page

    try:
        path.write_text(page(done, metadata.version("mendel")), "utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            f"the report cannot be written to {path}: {error.strerror}"
        ) from None
    out.note(f"the report is in {path}")


_HEADER = (
    "FILE",
    "CONFIG",
    "LEVEL",
    "INCIDENTS",
    "DETECTED IN",
    "HEALED IN",
    "ACTIONS",
    "UNNEEDED",
    "FALSE",
    "HARM",
    "SCORE",
    "DECISIONS",
)


def _tell(done: list[Rerun], out: Out) -> None:
    out.table(_HEADER, [_cells(each) for each in done])
    for each in done:
        where = f"{Path(each.file).name} under {each.setup}"
        for demand in each.broken_demands:
            out.line(f"{out.paint('not kept', 'red')}: {where}: {demand}")
        if each.compared_with:
            out.line(f"{where}: {_comparison(each)}")
        for circuit in each.circuits:
            out.line(f"{where}: {_opened(circuit)}")
    for note in dict.fromkeys(note for each in done for note in each.outcome.notes):
        out.note(f"note: {note}")


def _cells(each: Rerun) -> tuple[str, ...]:
    measures, harm = each.outcome.measures, each.outcome.harm
    return (
        Path(each.file).name,
        Path(each.config).name,
        each.level or "-",
        str(measures.incidents),
        _median(measures.detection),
        _median(measures.recovery),
        str(measures.actions),
        _known(measures.unneeded),
        _known(measures.false_alarms),
        "-" if harm is None else f"{harm:.2f}",
        "-" if each.score is None else f"{each.score:.0f}",
        each.outcome.sha256[:12],
    )


def _known(count: int | None) -> str:
    return "-" if count is None else str(count)


def _median(durations: Spread | None) -> str:
    return "-" if durations is None else format_duration(durations.median_s)


def _opened(circuit: CircuitRun) -> str:
    told = f"the circuit of {circuit.target} refuses {circuit.refused:,} of {circuit.calls:,} calls"
    if not circuit.opened:
        return f"{told}; it never opens"
    times = "once" if circuit.opened == 1 else f"{circuit.opened:,} times, first"
    return f"{told}; it opens {times} at {circuit.opened_s[0]:.3f} s"


def _comparison(each: Rerun) -> str:
    other = "it was recorded" if each.compared_with == "recorded" else f"under {each.compared_with}"
    if each.difference is None:
        drift = f", within {format_duration(each.drift_s)}" if each.drift_s else ""
        return f"decides as {other}{drift}"
    this, then = each.difference.this, each.difference.other
    return f"decides otherwise than {other}: {_words(this)} instead of {_words(then)}"


def _words(decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    return f"{' '.join(filter(None, decision.gist))} at {decision.at_s:.3f} s"


# --- scenarios that ship --------------------------------------------------------------------------


class ScenarioLine(Struct, frozen=True):
    """A scenario that ships, in one line."""

    name: str
    lasts_s: float
    faults: tuple[str, ...]
    description: str


@scenarios.command(name="list")
def list_scenarios(*, out: Printer) -> None:
    """Tell which scenarios ship with mendel."""
    from ...scenarios.format import load_scenario
    from ...scenarios.shipped import shipped

    lines = []
    for path in shipped().values():
        scenario = load_scenario(path)
        kinds = tuple(dict.fromkeys(fault.kind for fault in scenario.faults))
        lines.append(ScenarioLine(scenario.name, scenario.until_s, kinds, scenario.description))
    if not out.is_text:
        out.show(lines)
        return
    out.table(
        ("NAME", "LASTS", "FAULTS", "WHAT"),
        [
            (each.name, format_duration(each.lasts_s), ", ".join(each.faults), each.description)
            for each in lines
        ],
    )


@scenarios.command(name="show")
def show_scenario(name: str, /, *, out: Printer) -> None:
    """Write a scenario down, to be read or to be changed.

    Args:
        name: of a scenario that ships, or a file.
    """
    from ...scenarios.shipped import find_scenario, shipped

    scenario = find_scenario(name)
    if out.is_text:
        path = shipped().get(name, Path(name))
        out.line(path.read_text(encoding="utf-8").rstrip())
    else:
        out.show(scenario)


@scenarios.command(name="new")
def new_scenario(name: str, /, *, out: Printer) -> None:
    """Begin a scenario of your own: NAME.toml, with what each line is for.

    Args:
        name: what it is to be called.
    """
    from ...scenarios.template import template

    path, text = Path(f"{name}.toml"), template(name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already; choose another name") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    if out.is_text:
        out.line(f"{path} is written. Try it: mendel replay {path}")
    else:
        out.show({"path": str(path)})
