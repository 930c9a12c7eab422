"""The command that writes a first configuration."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...errors import ConfigError, EnvironmentProblem
from .output import Out, Printer
from .place import CONFIG_NAME

if TYPE_CHECKING:
    from ..survey import Survey


def init(
    config: Path = Path(CONFIG_NAME),
    /,
    *,
    sources: Annotated[tuple[Path, ...], Parameter(name="--from")] = (),
    blank: bool = False,
    out: Printer,
) -> None:
    """Write a first configuration, with comments, from what listens on this machine.

    It is valid as it stands and only watches (mode observe). A file that is there already is never
    overwritten.

    Args:
        config: where to write it.
        sources: take services from this Procfile or unit of systemd instead; repeatable.
        blank: write two examples, and look at nothing.
    """
    from ..survey import Survey, draft, look, read_foreign

    if config.exists():  # Before looking, which takes a moment; the writing checks it again.
        raise _taken(config)
    services = read_foreign(sources) if sources else () if blank else look()
    day = time.strftime("%Y-%m-%d")
    text = draft(services, title=f"{config.name}, drafted by `mendel init` on {day}.")
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _taken(config) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {config}: {error.strerror}", "name a file in a folder that you own"
        ) from error
    survey = Survey(path=str(config), services=services)
    if out.is_text:
        _tell(survey, out, is_asked=bool(sources) or blank)
    else:
        out.show(survey)


def _taken(config: Path) -> ConfigError:
    return ConfigError(f"{config} is there already; name another file, or check it: mendel check")


def _tell(survey: Survey, out: Out, *, is_asked: bool) -> None:
    out.line(f"{survey.path} is written")
    if survey.services:
        header = ("COMPONENT", "KIND", "NEEDS", "FOUND")
        rows = [(x.name, x.kind, ", ".join(x.needs), x.found) for x in survey.services]
        out.table(header, rows)
    elif not is_asked:
        out.note("nothing listens here that you may see, so it holds two examples")
    out.note("look through it, then:  mendel check && mendel run --mode observe")
