from typing import Any

import pytest
from mendel.core.detection.detect import Threshold
from mendel.core.incidents.triage import TriageConfig
from mendel.core.playbook import PlaybookConfig
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.genome.genes import differences, with_genes
from msgspec import Struct


class Many(Struct, frozen=True):
    parts: tuple[TriageConfig, ...] = (TriageConfig(), TriageConfig(hold_s=1.0))


GENOME: dict[str, Struct] = {
    "watch": WatchConfig(thresholds={"p99.5_s": Threshold(above=1.0), "ok": Threshold(below=0.5)}),
    "playbook": PlaybookConfig(plan=("restart", "replace")),
    "many": Many(),
}


def test_values_go_where_their_names_lead_dots_in_names_of_metrics_included() -> None:
    found = with_genes(
        GENOME,
        {
            "watch.thresholds.p99.5_s.samples": 4,
            "playbook.plan": ["replace", "restart"],
            "playbook.attempts": 5,
            "many.parts.1.hold_s": 2.5,
        },
    )

    assert found == {
        "watch": WatchConfig(
            thresholds={
                "p99.5_s": Threshold(above=1.0, samples=4),
                "ok": Threshold(below=0.5),
            }
        ),
        "playbook": PlaybookConfig(plan=("replace", "restart"), attempts=5),
        "many": Many((TriageConfig(), TriageConfig(hold_s=2.5))),
    }
    assert with_genes(GENOME, {}) == GENOME


@pytest.mark.parametrize(
    ("gene", "value", "reason"),
    [
        ("verify.window_s", 1.0, "nothing here that gene verify.window_s would change"),
        ("playbook.attempt", 1, "genes of playbook are refused: it has no attempt"),
        ("playbook.attempts", 101, "genes of playbook are refused: Expected `int` <= 100"),
        ("playbook.attempts", "many", "genes of playbook are refused: Expected `int`"),
        ("watch.thresholds.ok.samples", 9, "samples=9 exceeds of=5"),
        ("many.parts.2.hold_s", 1.0, "it has no parts|it has no 2.hold_s"),
    ],
)
def test_what_does_not_fit_is_refused(gene: str, value: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        with_genes(GENOME, {gene: value})


def test_differences_are_fields_with_their_new_values() -> None:
    assert differences(TriageConfig(), TriageConfig(hold_s=1.0)) == {"hold_s": 1.0}
    assert differences(TriageConfig(), TriageConfig()) == {}
