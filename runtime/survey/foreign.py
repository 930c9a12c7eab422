"""Services as other tools write them down: Procfiles, and units of systemd.

Source:
    https://devcenter.heroku.com/articles/procfile; systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...core.topology import Kind
from ...documents.files import text_of
from ...errors import ConfigError
from .services import Service, name_of, untangled

_PROCFILE_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(\S.*)$")
_NEEDS = ("Requires", "Requisite", "BindsTo", "Wants")


def read_foreign(paths: Iterable[Path]) -> tuple[Service, ...]:
    """Read what files start.

    Args:
        paths: Procfiles (``Procfile``, ``Procfile.dev``) and units (``NAME.service``), mixed.

    Raises:
        ConfigError: one cannot be read, is of another form, or starts nothing.
    """
    found: dict[str, Service] = {}
    for path in paths:
        for each in _read(path):
            if each.name in found:
                raise ConfigError(f"{path}: a second service is called {each.name!r}")
            found[each.name] = each
    return untangled(found.values())


def _read(path: Path) -> Sequence[Service]:
    text = text_of(path, noun="file", usual_name="Procfile", start="web: COMMAND")
    if path.name.partition(".")[0] == "Procfile":
        return _of_procfile(text, path)
    if path.suffix == ".service":
        return [_of_unit(text, path)]
    raise ConfigError(f"{path}: not known; a Procfile or a NAME.service of systemd can be read")


def _of_procfile(text: str, path: Path) -> list[Service]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _PROCFILE_LINE.match(stripped)
        if match is None:
            raise ConfigError(f"{path}:{number}: found {stripped!r}, expected NAME: COMMAND")
        name = name_of(match[1])
        kind: Kind = "worker" if "worker" in name else "service"
        command = _command(match[2], f"{path}:{number}")
        told = f"{path.name}, line {number}"
        found.append(Service(name=name, kind=kind, command=command, found=told))
    if not found:
        raise ConfigError(f"{path}: starts nothing; expected lines of NAME: COMMAND")
    return found


def _command(text: str, place: str) -> tuple[str, ...]:
    """Its words; what only a shell understands is left to one."""
    if re.search(r"[$|&;<>*?~`]", text):
        return ("sh", "-c", f"exec {text}" if not re.search(r"[|&;]", text) else text)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"{place}: {text!r} cannot be split into words: {error}") from error


def _of_unit(text: str, path: Path) -> Service:
    entries = _entries(text)
    if not entries["Service"]:
        raise ConfigError(f"{path}: has no [Service]; only units that are services can be read")
    unit = path.stem
    needs = [
        name_of(each)
        for key in _NEEDS
        for each in " ".join(entries["Unit"].get(key, [])).split()
        if each.endswith(".service")
    ]
    told = " ".join(entries["Unit"].get("Description", [])[-1:])
    return Service(
        name=name_of(unit), unit=unit, needs=tuple(dict.fromkeys(needs)), found=told or path.name
    )


def _entries(text: str) -> Mapping[str, dict[str, list[str]]]:
    """Values by section and key; a key may come several times, and an empty value begins anew."""
    found: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, _, value = (part.strip() for part in stripped.partition("="))
        values = found[section].setdefault(key, [])
        if value:
            values.append(value)
        else:
            values.clear()
    return found
