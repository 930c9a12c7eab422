"""Commands about a configuration and the machine it is for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from msgspec import Struct

from ...core.levels import Level
from ...core.policy import Mode
from ...errors import ConfigError
from ..views import ProblemView, problem_view
from .output import Out, Printer
from .place import CONFIG_NAME, Place

if TYPE_CHECKING:
    from ..config import Loaded

Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", help="override a setting, such as policy.mode=observe; repeatable."),
]


Explain = Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True)]


class CheckedView(Struct, frozen=True, kw_only=True):
    """What a check of a configuration found.

    Attributes:
        file: which configuration.
        ok: whether it can be run.
        components: how many it has.
        problems: everything that is wrong.
    """

    file: str
    ok: bool
    components: int = 0
    problems: tuple[ProblemView, ...] = ()


def check(
    config: Path = Path(CONFIG_NAME),
    /,
    *,
    mode: Mode | None = None,
    settings: Settings = (),
    show: bool = False,
    explain: Explain = None,
    level: Level | None = None,
    out: Printer,
) -> int:
    """Check a configuration: every mistake at once, with its place and what would be right.

    Args:
        config: the file.
        mode: short for --set policy.mode=MODE.
        show: also write the configuration that results, without secrets.
        explain: also say of each setting where it comes from and what it has taken the place of;
            of those that are written, or of all below the fields that are named, such as policy or
            components.cart.verify.
        level: also say what every component would lose and gain on this level.
    """
    from ..config import load

    try:
        loaded = load(config, settings=settings, mode=mode)
        _check_plugins(loaded)
    except ConfigError as error:
        if out.is_text:
            raise
        problems = tuple(problem_view(each) for each in error.problems)
        out.show(CheckedView(file=str(config), ok=False, problems=problems))
        return error.exit_code
    if level is not None:
        return _translate(loaded, level, out)
    if explain is not None:
        return _explain(loaded, explain, out)
    if out.is_text:
        _tell(loaded, config, show=show, out=out)
    else:
        out.show(CheckedView(file=str(config), ok=True, components=len(loaded.config.components)))
    return 0


def _translate(loaded: Loaded, level: Level, out: Out) -> int:
    """Returns 1 when something that is written would have no effect."""
    from ..translation import translate

    found = translate(loaded, level)
    if not out.is_text:
        out.show(found)
    elif not found:
        out.line(f"every component is on level {level} already")
    for each in found if out.is_text else ():
        out.line(f"{each.component}: {each.before} -> {each.after}")
        told = {
            "loses": each.lost,
            "gains": each.gained,
            "has no effect any more": each.idle,
            "changes": each.changed,
        }
        for what, lines in told.items():
            for line in lines:
                out.line(f"  {what}: {line}")
    return 1 if any(each.idle for each in found) else 0


def _explain(loaded: Loaded, fields: tuple[str, ...], out: Out) -> int:
    """Returns 1 when a field that was named is none."""
    from ..provenance import provenance

    found = [each for field in fields or ("",) for each in provenance(loaded, field)]
    if not out.is_text:
        out.show(found)
    elif found:
        rows = []
        for each in found:
            layer = f" [{each.origin.layer}]" if each.origin.layer else ""
            instead = "; ".join(map(str, each.instead_of))
            rows.append((each.field, each.value, f"{each.origin.source}{layer}", instead))
        out.table(("FIELD", "VALUE", "FROM", "INSTEAD OF"), rows)
    else:
        out.note(f"there is no field {', '.join(fields)}" if fields else "all values are built in")
    return 1 if fields and not found else 0


def _check_plugins(loaded: Loaded) -> None:
    from ..plugins import check_plugins

    problems = check_plugins(loaded)
    if problems:
        plural = "" if len(problems) == 1 else "s"
        raise ConfigError(f"{loaded.document.name}: {len(problems)} error{plural}", problems)


def _tell(loaded: Loaded, config: Path, *, show: bool, out: Out) -> None:
    if show:
        from ..render import render

        out.line(render(loaded.config, full=True))
    components = loaded.config.components
    counts = [
        (len(components), "component"),
        (sum(len(each.probes) for each in components), "probe"),
        (sum(len(each.actions) for each in components), "action"),
        (len(loaded.config.agents), "plug-in"),
    ]
    words = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts]
    summary = f"{config} is fine: {', '.join(words)}; mode {loaded.config.policy.mode}"
    # Beside a configuration that is written out, for others to read, this is a remark.
    (out.note if show else out.line)(summary)


def doctor(
    config: Path | None = None, /, *, settings: Settings = (), state: Place = None, out: Printer
) -> int:
    """Check this machine: Python, packages, folders, limits, and what a configuration needs.

    Returns 1 when something would keep mendel from working.

    Args:
        config: the file; by default mendel.toml here, if there is one.
    """
    from ..doctor import examine

    if config is None and Path(CONFIG_NAME).is_file():
        config = Path(CONFIG_NAME)
    findings = examine(config, settings=settings, state=state)
    if not out.is_text:
        out.show(findings)
    else:
        out.table(("  VERDICT", "WHAT", "FOUND"), [(f.verdict, f.name, f.found) for f in findings])
        remedies = [each for each in findings if each.remedy]
        for each in remedies:
            out.line()
            out.line(f"{each.name}: {each.remedy}")
    return 1 if any(each.verdict == "fail" for each in findings) else 0
