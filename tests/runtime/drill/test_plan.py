"""What a drill will break is settled, or refused in words, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from mendel.errors import ConfigError
from mendel.runtime.drill.plan import Plan, plan_of
from mendel.runtime.specs import ComponentSpec
from mendel.scenarios.chaos.drills import MADE_REAL
from mendel.scenarios.format import ActionOn, Must, MustNot
from mendel.scenarios.shipped import shipped

SHOP = (
    ComponentSpec(name="web", depends_on=("cart",)),
    ComponentSpec(name="cart", depends_on=("db",)),
    ComponentSpec(name="db"),
)
SCENARIO = """
name = "two"
description = "Two things befall the shop."
source = "This test."
until = "10m"

[estate]
topology = "shop"

[[faults]]
kind = "partition"
target = "web>cart"
at = "2m"
lasts = "3s"

[[faults]]
kind = "limplock"
target = "cart"
at = "5m"

[must]
healed = ["cart", "orders"]
within = "1m"
actions = [{ action = "restart", target = "cart" }]

[must_not]
act_on = ["web", "db", "catalog"]
actions = [{ action = "scale" }]
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(SCENARIO)
    return path


def plan(name: str | Path, target: str = "") -> Plan:
    return plan_of(str(name), SHOP, target=target, for_s=8.0)


def test_a_kind_befalls_whom_others_call_and_its_callers_are_left_alone() -> None:
    made = plan("partition")

    assert [(step.kind, step.target, step.for_s) for step in made.steps] == [
        ("partition", "cart", 8.0)
    ]
    assert made.must == Must(detected=("cart",), healed=("cart",))
    assert made.must_not == MustNot(act_on=("web",))


def test_a_target_that_is_named_is_taken() -> None:
    assert [(step.target, step.words) for step in plan("crash", "db").steps] == [
        ("db", "kill -9 db")
    ]


def test_faults_of_a_scenario_become_those_of_processes_and_of_who_is_called(two: Path) -> None:
    assert [(step.kind, step.target, step.for_s) for step in plan(two).steps] == [
        ("partition", "cart", 3.0),
        ("slow", "cart", 8.0),
    ]


def test_what_is_demanded_of_somebody_who_is_not_here_is_left_out_and_said(two: Path) -> None:
    made = plan(two)

    assert made.must == Must(
        healed=("cart",), within_s=60.0, actions=(ActionOn(action="restart", target="cart"),)
    )
    assert made.must_not == MustNot(
        act_on=("web", "db"), actions=(ActionOn(action="scale", target="*"),)
    )
    assert made.notes == (
        "catalog is not here; nothing is demanded of it",
        "orders is not here; nothing is demanded of it",
    )


def test_a_scenario_befalls_somebody_else_when_that_is_wished(two: Path) -> None:
    made = plan(two, "db")

    assert {step.target for step in made.steps} == {"db"}
    assert made.must.healed == ("db",)
    assert made.must.actions == (ActionOn(action="restart", target="db"),)
    assert made.must_not.act_on == ("web",)


def test_a_limit_of_time_without_anybody_left_is_none(two: Path) -> None:
    two.write_text(SCENARIO.replace('healed = ["cart", "orders"]', 'healed = ["orders"]'))

    assert plan(two).must.within_s is None


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("crsh", "", "'crsh' is neither a fault nor a scenario; faults are crash, hang, "),
        ("crash", "wbe", "there is no component 'wbe'; did you mean `web`"),
        ("spike", "", "spike cannot be done to real processes; those that can are crash, "),
        ("leak", "orders", "there is no component 'orders'; "),
        ("quiet_hour", "", "'quiet_hour' has no faults"),
        ("dependency_down.toml", "", "no such file"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, target: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plan(name, target)

    assert words in str(refused.value) + "".join(map(str, refused.value.problems))


def test_whom_the_estate_does_not_have_is_not_broken(two: Path) -> None:
    two.write_text(SCENARIO.replace('target = "cart"\nat', 'target = "orders"\nat'))

    with pytest.raises(ConfigError, match="befalls 'orders', which this estate does not have"):
        plan(two)
    with pytest.raises(ConfigError, match="befalls cart and orders; with --target it must"):
        plan(two, "db")


def test_many_of_the_scenarios_that_ship_can_be_drilled() -> None:
    able = []
    for path in shipped().values():
        try:
            able.append(plan_of(str(path), SHOP, target="cart", for_s=1.0).name)
        except ConfigError:
            continue

    assert {"crash", "hang", "leak", "dependency_down"} <= set(able)
    assert {"crash", "hang", "partition", "memory_leak"} <= set(MADE_REAL)
