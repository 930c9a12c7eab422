"""Genes by name, put into configs: all that a running system needs of evolution.

The names are those of `mendel.genome.loci`, such as ``watch.thresholds.ok.samples``. Searching
needs arrays; putting a result into force does not, and must not make a live process load them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..errors import ConfigError

Genome = Mapping[str, Struct]


def with_genes(genome: Genome, genes: Mapping[str, Any]) -> dict[str, Struct]:
    """A genome with other values in the fields that are named.

    Args:
        genome: configs by name.
        genes: values by name of the gene.

    Raises:
        ConfigError: a name leads nowhere, or a config refuses its value.
    """
    found = dict(genome)
    for name, values in _by_part(genome, genes).items():
        try:
            plain = msgspec.to_builtins(genome[name])
            for path, value in values.items():
                _put(plain, genome[name], path, value)
            found[name] = msgspec.convert(plain, type(genome[name]))
        except (msgspec.ValidationError, ConfigError) as error:
            raise ConfigError(f"genes of {name} are refused: {error}") from error
    return found


def _by_part(genome: Genome, genes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {}
    for name, value in genes.items():
        part = next((each for each in genome if name.startswith(f"{each}.")), None)
        if part is None:
            raise ConfigError(f"there is nothing here that gene {name} would change")
        parts.setdefault(part, {})[name.removeprefix(f"{part}.")] = value
    return parts


def _put(plain: Any, config: Any, path: str, value: Any) -> None:
    """Change one value in the plain form of a config; names in tables may have dots in them."""
    for key in _keys_of(config):
        if path == key:
            plain[_place(config, key)] = value
            return
        if path.startswith(f"{key}."):
            inner = _reach(config, key)
            _put(plain[_place(config, key)], inner, path.removeprefix(f"{key}."), value)
            return
    raise ConfigError(f"it has no {path}")


def _keys_of(config: Any) -> list[str]:
    if isinstance(config, Struct):
        return list(config.__struct_fields__)
    keys = config if isinstance(config, Mapping) else range(len(config))
    return sorted(map(str, keys), key=len, reverse=True)


def _place(config: Any, key: str) -> Any:
    return int(key) if isinstance(config, tuple | list) else key


def _reach(config: Any, key: str) -> Any:
    return getattr(config, key) if isinstance(config, Struct) else config[_place(config, key)]


def differences(old: Struct, new: Struct) -> dict[str, Any]:
    """Fields of one config that are different in another of its kind, with the new values."""
    before, after = structs.asdict(old), structs.asdict(new)
    return {name: value for name, value in after.items() if before[name] != value}
