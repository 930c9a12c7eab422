"""Where each effective value of a configuration comes from, and what it has taken the place of.

Two questions meet in every value. *Which layer* speaks last for a component: itself, its kind, its
level, or the estate (`mendel.runtime.layers`). And *who wrote* the value of that layer last: the
file, an environment variable, or an option (`mendel.runtime.config`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from ..documents.document import Document, Source, format_path, plain
from ..documents.places import Path
from .config import Config, Loaded
from .layers import DefaultsConfig, Layer
from .render import shown
from .specs import ComponentSpec

BUILT_IN = "built in"
_LAYERED = ("defaults", "levels", "kinds", "components")
# Settings that a component may say in two ways, the short one and that of its section.
_SHORT: Mapping[Path, str] = {
    ("playbook", "plan"): "plan",
    ("watch", "thresholds"): "thresholds",
    ("watch", "adaptive"): "adaptive",
}


class Origin(Struct, frozen=True):
    """A value and where it was written.

    Attributes:
        value: as it stands in a file, without secrets.
        source: file and line, variable, option, or ``built in``.
        layer: section that it stands in (``kinds.database``), or empty for what has no layers.
    """

    value: str
    source: str
    layer: str = ""

    def __str__(self) -> str:
        place = f" [{self.layer}]" if self.layer else ""
        return f"{self.value} from {self.source}{place}"


class Effective(Struct, frozen=True):
    """One setting that holds.

    Attributes:
        field: its path; a component is called by its name.
        value: what holds.
        origin: where that was written.
        instead_of: what it has taken the place of, the nearest first.
    """

    field: str
    value: str
    origin: Origin
    instead_of: tuple[Origin, ...] = ()


def provenance(loaded: Loaded, field: str = "") -> list[Effective]:
    """Every setting and where it comes from.

    Args:
        loaded: the configuration.
        field: a path or the beginning of one (``policy``, ``components.cart.verify``); with an
            empty one only what somebody has written is told, else all of it.
    """
    found = [*_plain_sections(loaded), *_components(loaded)]
    if not field:
        return [each for each in found if each.origin.source != BUILT_IN]
    return [each for each in found if f"{each.field}.".startswith(f"{field}.")]


def _plain_sections(loaded: Loaded) -> Iterator[Effective]:
    for section in structs.fields(Config):
        if section.name not in _LAYERED:
            value = getattr(loaded.config, section.name)
            yield from _leaves(loaded.document, (section.name,), value, [("", (section.name,))])


def _components(loaded: Loaded) -> Iterator[Effective]:
    config = loaded.config
    for index, spec in enumerate(config.components):
        own: Path = ("components", index)
        level = config.layers.level_of(spec.kind, spec.level)
        settled = config.layers.settle(spec.kind, spec.layer, level)
        ways: list[Path] = [own, ("kinds", spec.kind), ("defaults",)]
        yield from _leaf(loaded.document, spec, ("level",), level, ways)
        mode = config.layers.mode_of(spec.kind, spec.mode) or config.policy.mode
        ways = [own, ("kinds", spec.kind), ("policy",)]
        yield from _leaf(loaded.document, spec, ("mode",), mode, ways)
        for section in Layer.__struct_fields__:
            yield from _section(loaded.document, spec, index, section, settled)


def _section(
    document: Document, spec: ComponentSpec, index: int, section: str, settled: DefaultsConfig
) -> Iterator[Effective]:
    layers: list[Path] = [
        ("components", index),
        ("kinds", spec.kind),
        ("levels", settled.level),
        ("defaults",),
    ]
    for name, value in structs.asdict(getattr(settled, section)).items():
        way = (section, name)
        entries = value if isinstance(value, dict) else {None: value}
        for key, entry in entries.items():
            tail = way if key is None else (*way, key)
            yield from _leaf(document, spec, tail, entry, layers)


def _leaf(
    document: Document, spec: ComponentSpec, tail: Path, value: Any, layers: list[Path]
) -> Iterator[Effective]:
    places = []
    for layer in layers:
        place = (*layer, *tail)
        if layer[0] == "components" and tail[:2] in _SHORT:
            short = (*layer, _SHORT[tail[:2]], *tail[2:])
            place = short if document.written(short) is not None else place
        name = "" if layer[0] == "policy" else format_path(layer)
        places.append((spec.name if layer[0] == "components" else name, place))
    yield _effective(document, f"components.{spec.name}.{format_path(tail)}", tail, value, places)


def _leaves(
    document: Document, path: Path, value: Any, places: list[tuple[str, Path]]
) -> Iterator[Effective]:
    if isinstance(value, Struct) and not isinstance(value, ComponentSpec):
        for name, each in structs.asdict(value).items():
            inner = [(layer, (*place, name)) for layer, place in places]
            yield from _leaves(document, (*path, name), each, inner)
        return
    yield _effective(document, format_path(path), path, value, places)


def _effective(
    document: Document, field: str, path: Path, value: Any, places: list[tuple[str, Path]]
) -> Effective:
    origins = [origin for layer, place in places for origin in _origins(document, layer, place)]
    holds = shown(path, value)
    found = origins[0] if origins else Origin(holds, BUILT_IN)
    return Effective(field, holds, found, tuple(origins[1:]))


def _origins(document: Document, layer: str, place: Path) -> Iterator[Origin]:
    """What was written at a place, the last one first."""
    path = document.written(place)
    if path is None:
        return
    value: Any = document.tree
    for step in path:
        value = value[step]
    written = [(plain(value), document.where(path)), *document.former(path)]
    for each, source in written:
        yield Origin(shown(path, each), _words(source), layer)


def _words(source: Source) -> str:
    return f"{source.name}:{source.line}" if source.line else source.name.partition("=")[0]
