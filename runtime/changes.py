"""What is different between two configurations, and whether it can change while mendel runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from ..documents.document import format_path
from ..documents.places import Path
from .config import Config
from .render import shown

# What is bound to things that outlive a configuration: a folder that is locked, a file that is
# open, a supervisor that counts. Everything else is a matter of the next decision.
FIXED: Mapping[Path, str] = {
    ("runtime", "state"): "the store, the socket and the processes are in the folder",
    ("runtime", "keep_circuits"): "it is decided when mendel starts",
    ("runtime", "log_format"): "lines of one form are written already",
    ("runtime", "keep_learned_s"): "it is decided when mendel starts",
    ("runtime", "seed"): "what was drawn with the old one is drawn",
    ("store",): "the store is open",
    ("web",): "the page is being served",
    ("otlp",): "telemetry is being sent",
    ("supervisor",): "the agents are supervised already",
}


class Change(Struct, frozen=True):
    """One value that is different.

    Attributes:
        path: where it stands; a component is called by its name.
        before: the old value as it stands in a file, or empty.
        after: the new one, or empty.
    """

    path: Path
    before: str
    after: str

    def __str__(self) -> str:
        place = format_path(self.path)
        if not self.before:
            return f"{place} is new"
        if not self.after:
            return f"{place} is gone"
        return f"{place}: {self.before} -> {self.after}"


def differences(old: Config, new: Config) -> list[Change]:
    """Everything that is different, in the order of the configuration, without secrets."""
    return list(between(_named(old), _named(new), ()))


def fixed(old: Config, new: Config) -> list[tuple[Path, str]]:
    """What cannot change while mendel runs but is different: where, and why not."""
    found = []
    for path, reason in FIXED.items():
        before, after = (_at(config, path) for config in (old, new))
        if before != after:
            found.append((path, reason))
    return found


def _named(config: Config) -> dict[str, Any]:
    """The sections, with components by name: their order and number mean nothing."""
    sections = structs.asdict(config)
    return sections | {"components": {each.name: each for each in config.components}}


def between(old: Any, new: Any, path: Path) -> Iterator[Change]:
    """What is different between two values that stand at a path."""
    if old == new:
        return
    before, after = _table(old), _table(new)
    if before is None or after is None:
        yield Change(path, shown(path, old), shown(path, new))
        return
    for key in [*before, *(key for key in after if key not in before)]:
        place = (*path, key)
        if key not in after:
            yield Change(place, shown(place, before[key]), "")
        elif key not in before:
            yield Change(place, "", shown(place, after[key]))
        else:
            yield from between(before[key], after[key], place)


def _table(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Struct):
        return structs.asdict(value)
    return value if isinstance(value, Mapping) else None


def _at(config: Config, path: Path) -> Any:
    value: Any = config
    for name in path:
        value = getattr(value, str(name))
    return value
