from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
import pytest
from mendel.core.circuits.circuit_config import CircuitConfig
from mendel.core.detection.detect import Threshold
from mendel.core.gene import Gene
from mendel.core.incidents.triage import TriageConfig
from mendel.core.incidents.verify import VerifyConfig
from mendel.core.playbook import PlaybookConfig
from mendel.core.ranking.ranking import RankingConfig
from mendel.errors import ConfigError

# What a config needs beside the gene in question to be valid at all.
CONFIGS: dict[type[msgspec.Struct], dict[str, Any]] = {
    CircuitConfig: {},
    PlaybookConfig: {},
    RankingConfig: {},
    Threshold: {"above": 1.0, "samples": 1, "of": 60},
    TriageConfig: {},
    VerifyConfig: {},
}


def genes() -> Iterator[tuple[type[msgspec.Struct], str, Gene]]:
    for config in CONFIGS:
        for name, hint in get_type_hints(config, include_extras=True).items():
            for gene in getattr(hint, "__metadata__", ()):
                if isinstance(gene, Gene) and gene.low is not None:
                    yield config, name, gene


@pytest.mark.parametrize(("config", "name", "gene"), list(genes()))
def test_evolution_looks_only_where_a_value_can_be(
    config: type[msgspec.Struct], name: str, gene: Gene
) -> None:
    assert gene.low is not None
    assert gene.high is not None
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

    assert gene.low is not None
    assert gene.high is not None
    assert name in CONFIGS[config] or gene.low <= default <= gene.high


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"low": 1.0}, "needs both `low` and `high`"),
        ({"high": 1.0}, "needs both `low` and `high`"),
        ({"scale": "log"}, "needs both `low` and `high`"),
        ({"low": 2.0, "high": 1.0}, "low=2, high=1 has no range"),
        ({"low": 1.0, "high": 1.0}, "low=1, high=1 has no range"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "low=0 cannot be on a log scale"),
    ],
)
def test_a_gene_that_looks_nowhere_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Gene(**settings)
