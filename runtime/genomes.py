"""Between a configuration and a genome: what evolution may look at, and how it goes back.

What ``[defaults]``, ``[ranking]`` and the agents' own sections say is open where it has genes. What
a level, a kind or a component says for itself is the operator's, with one exception: the order of
strategies belongs to a kind, and goes back to ``[kinds.NAME]``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..agents.registry import LoadedAgent
from ..core.detection.detect import DEFAULT_THRESHOLDS
from ..core.playbook import DEFAULT_PLANS, PlaybookConfig
from ..core.topology import Kind
from ..genome.genes import Genome, differences, with_genes
from .config import Config
from .layers import KindConfig, laid_over
from .specs import ComponentSpec

_SECTIONS = ("triage", "verify", "playbook")


def genome_of(
    config: Config,
    plugins: Sequence[LoadedAgent] = (),
    *,
    metrics: Collection[str] = (),
    actions: Mapping[Kind, Collection[str]] | None = None,
) -> dict[str, Struct]:
    """All that evolution may look at.

    Args:
        config: as it is.
        plugins: agents beside mendel's own.
        metrics: that are seen; the built-in thresholds of others are left out, because nothing
            tells good ones from bad ones.
        actions: that are known, by kind of component; their order is open.
    """
    watch = config.defaults.watch
    built_in = {name: each for name, each in DEFAULT_THRESHOLDS.items() if name in metrics}
    genome: dict[str, Struct] = {
        "watch": structs.replace(watch, thresholds=built_in | watch.thresholds),
        **{name: getattr(config.defaults, name) for name in _SECTIONS},
        "ranking": config.ranking,
    }
    for kind, known in (actions or {}).items():
        playbook = _playbook_of(config, kind)
        plan = playbook.plan or tuple(name for name in DEFAULT_PLANS[kind] if name in known)
        if len(plan) > 1:
            genome[f"playbook/{kind}"] = structs.replace(playbook, plan=plan)
    return genome | {f"agent.{each.name}": each.config for each in plugins}


def with_genome(config: Config, genome: Genome, names: Collection[str] | None = None) -> Config:
    """The same configuration, with what a genome says.

    Args:
        config: as it is.
        genome: from `genome_of` it, with other values.
        names: of the parts to take over; all of them by default.
    """
    parts = {name: part for name, part in genome.items() if names is None or name in names}
    own = {name: parts[name] for name in ("watch", *_SECTIONS) if name in parts}
    agents = {
        name.removeprefix("agent."): msgspec.to_builtins(part)
        for name, part in parts.items()
        if name.startswith("agent.")
    }
    config = structs.replace(
        config,
        defaults=structs.replace(config.defaults, **own),
        ranking=parts.get("ranking", config.ranking),
        agent=config.agent | agents,
    )
    kinds = dict(config.kinds)
    for kind in _kinds_in(parts):
        layer = kinds.get(kind, KindConfig())
        changed = differences(_playbook_of(config, kind), parts[f"playbook/{kind}"])
        if changed:
            kinds[kind] = structs.replace(layer, playbook=layer.playbook | changed)
    return structs.replace(config, kinds=kinds)


def _kinds_in(parts: Genome) -> list[Kind]:
    return [kind for kind in DEFAULT_PLANS if f"playbook/{kind}" in parts]


def _playbook_of(config: Config, kind: Kind) -> PlaybookConfig:
    layer = config.kinds.get(kind, KindConfig())
    return laid_over(config.defaults.playbook, layer.playbook)


def with_evolved(
    config: Config, plugins: Sequence[LoadedAgent], genes: Mapping[str, Any]
) -> Config:
    """The configuration as it is written, with genes in force everywhere.

    Args:
        config: as it is written.
        plugins: agents beside mendel's own.
        genes: by name; those that are not named stay.

    Raises:
        ConfigError: they do not fit.
    """
    if not genes:
        return config
    named = [name for name in DEFAULT_THRESHOLDS if _concerns(genes, f"watch.thresholds.{name}.")]
    genome = genome_of(config, plugins, metrics=named, actions=_actions_in(genes))
    changed = with_genes(genome, genes)
    return with_genome(config, changed, {name for name in genome if genome[name] != changed[name]})


def with_canary(config: Config, evolved: Config, names: Collection[str]) -> Config:
    """The configuration as it is written, with genes in force on some of the components.

    What a level, a kind or the component itself says stays said; the settings of agents and of
    ranking belong to no component, and wait until the genes are in force everywhere.

    Args:
        config: as it is.
        evolved: the same with the genes everywhere.
        names: of the components.
    """
    components = [
        _evolved_component(each, config, evolved) if each.name in names else each
        for each in config.components
    ]
    return structs.replace(config, components=tuple(components))


def _evolved_component(spec: ComponentSpec, config: Config, evolved: Config) -> ComponentSpec:
    layers, level = config.layers, config.layers.level_of(spec.kind, spec.level)
    before = layers.settle(spec.kind, spec, level)
    after = evolved.layers.settle(spec.kind, spec, level)
    changed = {}
    for name in ("watch", *_SECTIONS):
        fields = differences(getattr(before, name), getattr(after, name))
        if fields:
            changed[name] = fields | getattr(spec, name)
    return structs.replace(spec, **changed)


def _actions_in(genes: Mapping[str, Any]) -> dict[Kind, tuple[str, ...]]:
    """The orders of strategies among genes, by kind."""
    named = [kind for kind in DEFAULT_PLANS if _concerns(genes, f"playbook/{kind}.")]
    return {kind: tuple(genes.get(f"playbook/{kind}.plan", DEFAULT_PLANS[kind])) for kind in named}


def _concerns(genes: Mapping[str, Any], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in genes)
