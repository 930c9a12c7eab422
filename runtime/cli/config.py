"""Commands about the configurations of a runtime: the next one, and those before it."""

from __future__ import annotations

import difflib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from msgspec import Struct

from ...errors import ConfigError, MendelError, Problem
from ..client import ControlClient
from ..views import ReloadView, SystemView
from .history import ask_archive
from .output import PLAIN, Out, Printer
from .place import SOCKET_NAME, Place, state_folder

if TYPE_CHECKING:
    from ..store.archive import Archive, ConfigVersion

# A plug-in may take its time to be imported, and a large file to be checked.
_RELOAD_S = 60.0


class NoSuchVersion(MendelError):
    """The store has no configuration of this number."""


class VersionView(Struct, frozen=True):
    """A configuration that was in force, as a line in a list."""

    version: int
    utc: float
    who: str
    why: str
    source: str
    sha256: str


def reload(*, reason: str = "", state: Place = None, out: Printer) -> int:
    """Put into force what the configuration file of a running system says now.

    The file is checked as a whole. A mistake changes nothing, and every one is shown.

    Args:
        reason: why; it is kept with the version.
    """
    with ControlClient(state_folder(state) / SOCKET_NAME, timeout_s=_RELOAD_S) as runtime:
        view = runtime.ask("reload", ReloadView, reason=reason)
    return _tell(view, out)


config = App(
    name="config", help="Look at the configurations of a runtime.", default_parameter=PLAIN
)


@config.command
def history(*, last: int = 20, state: Place = None, out: Printer) -> None:
    """Show the configurations that were in force, newest first.

    Args:
        last: at most so many.
    """

    async def question(archive: Archive) -> list[ConfigVersion]:
        return list(await archive.configs(limit=last))

    found = ask_archive(state, question)
    if not out.is_text:
        out.show([_version_view(each) for each in found])
        return
    rows = []
    for each in found:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.utc))
        rows.append((str(each.version), moment, each.who, each.why, each.source))
    out.table(("VERSION", "IN FORCE FROM", "WHO", "WHY", "SOURCE"), rows)


@config.command
def show(version: int | None = None, /, *, state: Place = None, out: Printer) -> None:
    """Show a configuration that was in force, by default the newest, without secrets.

    Args:
        version: its number.
    """
    found = _versions(state, version)[0]
    if out.is_text:
        out.line(found.text.rstrip("\n"))
    else:
        out.show(found)


@config.command
def diff(
    old: int | None = None, new: int | None = None, /, *, state: Place = None, out: Printer
) -> int:
    """Show how two configurations differ, by default the newest and the one before it.

    Returns 1 when they do.

    Args:
        old: number of the one.
        new: number of the other, by default the newest.
    """
    after = _versions(state, new)[0]
    before = _versions(state, old if old is not None else after.version - 1)[0]
    old_name, new_name = (f"version {each.version} ({each.source})" for each in (before, after))
    old_lines, new_lines = before.text.splitlines(), after.text.splitlines()
    lines = list(difflib.unified_diff(old_lines, new_lines, old_name, new_name, lineterm=""))
    if not out.is_text:
        out.show({"old": before.version, "new": after.version, "lines": lines})
    for line in lines if out.is_text else ():
        colour = {"+": "green", "-": "red"}.get(line[:1])
        out.line(out.paint(line, colour) if colour else line)
    return 1 if lines else 0


@config.command
def rollback(
    version: int, /, *, reason: str = "", write: bool = False, state: Place = None, out: Printer
) -> int:
    """Put an earlier configuration into force in a running system.

    The file is left alone, so the next reload or start goes by the file again.

    Args:
        version: its number.
        reason: why; it is kept with the version.
        write: also write it to the configuration file; the text that stood there is kept beside
            it, with the suffix .before.
    """
    with ControlClient(state_folder(state) / SOCKET_NAME, timeout_s=_RELOAD_S) as runtime:
        view = runtime.ask("rollback", ReloadView, version=version, reason=reason)
        path = Path(runtime.ask("status", SystemView).config)
    code = _tell(view, out)
    if code:
        return code
    if write:
        _write(path, _versions(state, version)[0].text)
        out.note(f"{path} now says the same; what it said before is in {_before(path).name}")
    else:
        out.note(f"{path} was not changed: the next reload or start goes by it; see --write")
    return 0


def _tell(view: ReloadView, out: Out) -> int:
    if not out.is_text:
        out.show(view)
    elif view.taken:
        took = f"{view.took_s * 1000:.1f} ms"
        out.line(f"{view.source} is in force ({took})" if view.changes else "nothing has changed")
        for change in view.changes:
            out.line(f"  {change}")
    if view.taken:
        return 0
    if out.is_text:
        problems = [
            Problem(
                each.code,
                each.message,
                place=each.place,
                source=each.source,
                line=each.line,
                excerpt=each.excerpt,
                suggestion=each.suggestion,
            )
            for each in view.problems
        ]
        raise ConfigError(f"{view.reason}; nothing has changed", problems)
    return ConfigError.exit_code


def _versions(state: Place, version: int | None) -> list[ConfigVersion]:
    async def question(archive: Archive) -> list[ConfigVersion]:
        if version is None:
            return list(await archive.configs(limit=1))
        found = await archive.config(version)
        return [found] if found is not None else []

    found = ask_archive(state, question)
    if not found:
        which = "no configuration" if version is None else f"no version {version}"
        raise NoSuchVersion(f"the store has {which}; see: mendel config history")
    return found


def _version_view(version: ConfigVersion) -> VersionView:
    names = VersionView.__struct_fields__
    return VersionView(**{name: getattr(version, name) for name in names})


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.before")


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; what it was stays beside it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(path.stat().st_mode)
    path.replace(_before(path))
    fresh.replace(path)
