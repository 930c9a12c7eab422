from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
import pytest
from mendel.core.circuit_config import CircuitConfig
from mendel.core.detect import Threshold
from mendel.core.gene import Gene
from mendel.core.playbook import PlaybookConfig
from mendel.core.triage import TriageConfig
from mendel.core.verify import VerifyConfig

# What a config needs beside the gene in question to be valid at all.
CONFIGS: dict[type[msgspec.Struct], dict[str, Any]] = {
    CircuitConfig: {},
    PlaybookConfig: {},
    Threshold: {"above": 1.0, "samples": 1, "of": 60},
    TriageConfig: {},
    VerifyConfig: {},
}


def genes() -> Iterator[tuple[type[msgspec.Struct], str, Gene]]:
    for config in CONFIGS:
        for name, hint in get_type_hints(config, include_extras=True).items():
            for gene in getattr(hint, "__metadata__", ()):
                if isinstance(gene, Gene):
                    yield config, name, gene


@pytest.mark.parametrize(("config", "name", "gene"), list(genes()))
def test_evolution_looks_only_where_a_value_can_be(
    config: type[msgspec.Struct], name: str, gene: Gene
) -> None:
    assert gene.low < gene.high
    assert gene.scale == "linear" or gene.low > 0, "a logarithm needs a positive range"
    assert (gene.unit == "s") is name.endswith("_s")


@pytest.mark.parametrize(("config", "name", "gene"), list(genes()))
def test_where_evolution_looks_is_within_what_is_valid(
    config: type[msgspec.Struct], name: str, gene: Gene
) -> None:
    hint = get_type_hints(config, include_extras=True)[name]

    found = [msgspec.convert(value, hint, strict=False) for value in (gene.low, gene.high)]

    assert found == [gene.low, gene.high]


@pytest.mark.parametrize(("config", "name", "gene"), list(genes()))
def test_the_default_is_one_that_evolution_could_find(
    config: type[msgspec.Struct], name: str, gene: Gene
) -> None:
    default = getattr(config(**CONFIGS[config]), name)

    assert name in CONFIGS[config] or gene.low <= default <= gene.high
