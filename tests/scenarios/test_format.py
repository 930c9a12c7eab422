from __future__ import annotations

from pathlib import Path

import pytest
from mendel.errors import ConfigError
from mendel.scenarios import format as scenario_format
from mendel.scenarios.format import (
    ActionOn,
    ComponentSpec,
    EstateSpec,
    FaultSpec,
    Must,
    MustNot,
    Scenario,
    TrafficSpec,
    WindowSpec,
    load_scenario,
    parse_scenario,
)

WRITTEN = """\
name = "db_crashes"
description = "The database is killed; its callers look sick."
source = "The commonest page of all."
until = "10m"
seed = 7

[[estate.components]]
name = "db"
kind = "database"
replicas = 1
traits = { boot_s = "5s", capacity_rate = 300 }

[[estate.components]]
name = "cart"
depends_on = ["db"]

[traffic]
rate = 50
slow = "600ms"

[[faults]]
kind = "crash"
target = "db"
at = "2m"

[[faults]]
kind = "partition"
target = "cart>db"
at = "5m"
lasts = "30s"
severity = 0.5

[[maintenance]]
target = "cart"
at = 0
lasts = "1m"

[must]
detected = ["db"]
healed = ["db"]
within = "1m"
actions = [{ action = "restart", target = "db" }]

[must_not]
act_on = ["cart"]
actions = [{ action = "scale" }]
actions_max = 3
"""


def wrong(text: str) -> list[str]:
    """What is wrong with a text: code, line and message of each problem."""
    with pytest.raises(ConfigError) as refused:
        parse_scenario(text, "some.toml")
    return [f"{each.code} line {each.line}: {each.message}" for each in refused.value.problems]


def changed(old: str, new: str) -> str:
    assert WRITTEN.count(old) >= 1
    return WRITTEN.replace(old, new, 1)


def test_everything_that_can_be_said_is_read() -> None:
    assert parse_scenario(WRITTEN, "some.toml") == Scenario(
        name="db_crashes",
        description="The database is killed; its callers look sick.",
        source="The commonest page of all.",
        until_s=600.0,
        seed=7,
        estate=EstateSpec(
            components=(
                ComponentSpec(
                    name="db",
                    kind="database",
                    replicas=1,
                    traits={"boot_s": 5.0, "capacity_rate": 300.0},
                ),
                ComponentSpec(name="cart", depends_on=("db",)),
            )
        ),
        traffic=TrafficSpec(rate=50.0, slow_s=0.6),
        faults=(
            FaultSpec(kind="crash", target="db", at_s=120.0),
            FaultSpec(kind="partition", target="cart>db", at_s=300.0, lasts_s=30.0, severity=0.5),
        ),
        maintenance=(WindowSpec(target="cart", at_s=0.0, lasts_s=60.0),),
        must=Must(
            detected=("db",),
            healed=("db",),
            within_s=60.0,
            actions=(ActionOn(action="restart", target="db"),),
        ),
        must_not=MustNot(act_on=("cart",), actions=(ActionOn(action="scale"),), actions_max=3),
    )


def test_the_example_of_the_manual_is_a_scenario(tmp_path: Path) -> None:
    text = (scenario_format.__doc__ or "").partition("\n\n    ")[2]
    path = tmp_path / "db_crashes.toml"
    path.write_text("\n".join(line.strip() for line in text.splitlines()))

    assert load_scenario(path).estate == EstateSpec(topology="shop")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed('kind = "crash"', 'kind = "crush"'), "MD105 line 22:"),
        (changed('at = "2m"', 'att = "2m"'), "MD101 line 24: unknown field `att`"),
        (changed('at = "2m"', 'at = "soon"'), 'MD106 line 24: "soon" is not a duration'),
        (changed('at = "2m"', 'at = "10m"'), "MD170 line 21: it begins when all is over"),
        (changed('target = "db"', 'target = "dbb"'), "MD121 line 23: unknown component `dbb`"),
        (changed('"cart>db"', '"kart>db"'), "MD121 line 28: unknown component `kart`"),
        (changed('"cart>db"', '"cart>db>x"'), "MD107 line 28:"),
        (changed('healed = ["db"]', 'healed = ["d/1"]'), "MD121 line 40: unknown component `d`"),
        (changed('name = "cart"', 'name = "db"'), "MD120 line 14: component `db` is defined twice"),
        (changed('action = "scale"', 'action = "restart"'), "MD172 line 42: restart on db is"),
        (changed("[traffic]", '[estate]\ntopology = "shop"\n[traffic]'), "MD109 line 17"),
        (changed('name = "db_crashes"\n', ""), "MD104 line 0: missing field `name`"),
        (changed('detected = ["db"]\nhealed = ["db"]\n', ""), "MD109 line 38: within says how"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, said: str) -> None:
    assert [each for each in wrong(text) if each.startswith(said)] != []


def test_all_mistakes_are_told_at_once() -> None:
    text = changed('kind = "crash"', 'kind = "crush"').replace("rate = 50", "rate = -1")

    assert [each[:13] for each in wrong(text)] == ["MD103 line 18", "MD105 line 22"]


def test_an_estate_is_one_or_the_other() -> None:
    start = 'name = "x"\ndescription = "x"\nsource = "x"\nuntil = 1\n'

    assert "either a topology or" in wrong(start + "[estate]\n")[0]


def test_a_scenario_that_demands_nothing_proves_nothing() -> None:
    text = WRITTEN.partition("[must]")[0]

    assert wrong(text) == ["MD171 line 0: it demands nothing"]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as refused:
        load_scenario(tmp_path / "gone.toml")

    assert "cannot read the scenario" in str(refused.value.problems[0])
