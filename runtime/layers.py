"""Settings in layers: what holds for all components, for those of a level, of a kind, for one.

    built in  <  [defaults]  <  [levels.full]  <  [kinds.database]  <  the component

The later layer wins, field by field; tables by name (``thresholds``, ``adaptive``) are completed
entry by entry. A layer says only what it changes, so it is kept as a mapping of the fields that
were written and is laid over what is below it when a component asks. Keeping whole structs per
layer was turned down: a field that nobody wrote would look like one that was set to its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, structs

from ..core.incidents.treatment import IncidentConfig
from ..core.incidents.triage import TriageConfig
from ..core.incidents.verify import VerifyConfig
from ..core.levels import Level
from ..core.load import ReliefConfig
from ..core.playbook import PlaybookConfig
from ..core.policy import Mode
from ..core.topology import Kind
from ..core.watching.watch import WatchConfig

T = TypeVar("T", bound=Struct)


class DefaultsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every component that does not say otherwise.

    Attributes:
        level: how much of what mendel can do is on.
        watch: when a component is sick.
        playbook: what is tried, and how stubbornly.
        triage: how long to look before blaming.
        verify: how an action is judged.
        incident: how patient an incident is with the healer itself.
        relief: how load is held back.
    """

    level: Level = "basic"
    watch: WatchConfig = WatchConfig()
    playbook: PlaybookConfig = PlaybookConfig()
    triage: TriageConfig = TriageConfig()
    verify: VerifyConfig = VerifyConfig()
    incident: IncidentConfig = IncidentConfig()
    relief: ReliefConfig = ReliefConfig()


class Layer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sections of `DefaultsConfig`, each with only the fields that differ from the layer below.

    Attributes:
        watch: when a component is sick.
        playbook: what is tried, and how stubbornly.
        triage: how long to look before blaming.
        verify: how an action is judged.
        incident: how patient an incident is with the healer itself.
        relief: how load is held back.
    """

    watch: Annotated[dict[str, Any], Meta(extra={"part_of": WatchConfig})] = {}
    playbook: Annotated[dict[str, Any], Meta(extra={"part_of": PlaybookConfig})] = {}
    triage: Annotated[dict[str, Any], Meta(extra={"part_of": TriageConfig})] = {}
    verify: Annotated[dict[str, Any], Meta(extra={"part_of": VerifyConfig})] = {}
    incident: Annotated[dict[str, Any], Meta(extra={"part_of": IncidentConfig})] = {}
    relief: Annotated[dict[str, Any], Meta(extra={"part_of": ReliefConfig})] = {}


class LevelConfig(Layer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the components of one level."""


class KindConfig(Layer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the components of one kind.

    Attributes:
        level: where it is not that of the estate.
        mode: where it is not that of the estate (``recommend`` for every database).
    """

    level: Level | None = None
    mode: Mode | None = None


class Layers(Struct, frozen=True, kw_only=True):
    """All layers but those of single components.

    Attributes:
        defaults: the lowest one.
        levels: by level.
        kinds: by kind.
    """

    defaults: DefaultsConfig = DefaultsConfig()
    levels: Mapping[Level, LevelConfig] = {}
    kinds: Mapping[Kind, KindConfig] = {}

    def level_of(self, kind: Kind, own: Level | None) -> Level:
        """The level of a component, if it has one of its own or none."""
        of_kind = self.kinds.get(kind)
        return own or (of_kind.level if of_kind else None) or self.defaults.level

    def mode_of(self, kind: Kind, own: Mode | None) -> Mode | None:
        """The mode of a component; None where it is that of the estate."""
        of_kind = self.kinds.get(kind)
        return own or (of_kind.mode if of_kind else None)

    def settle(self, kind: Kind, own: Layer, level: Level) -> DefaultsConfig:
        """What holds for one component.

        Args:
            kind: of the component.
            own: what it says itself.
            level: that it is on.

        Raises:
            ConfigError: fields from several layers do not go together.
        """
        sections = {name: self._section(name, kind, own, level) for name in Layer.__struct_fields__}
        return DefaultsConfig(level=level, **sections)

    def _section(self, name: str, kind: Kind, own: Layer, level: Level) -> Any:
        section = getattr(self.defaults, name)
        for layer in (self.levels.get(level), self.kinds.get(kind), own):
            part = getattr(layer, name) if layer is not None else None
            if part:
                section = laid_over(section, part)
        return section


def laid_over(section: T, part: Mapping[str, Any]) -> T:
    """A section with the fields of a part of it; tables by name are completed, not replaced.

    Raises:
        ConfigError: the fields do not go together.
    """
    return structs.replace(section, **dict(_completed(section, part)))


def _completed(section: Struct, part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        below = getattr(section, name)
        yield name, below | value if isinstance(below, dict) else value
