"""A scenario file becomes a world; those that ship are sound and keep what they demand."""

from __future__ import annotations

import math

import pytest
from mendel.core.policy import Pause
from mendel.errors import ConfigError
from mendel.scenarios import faults
from mendel.scenarios.catalogue import CATALOGUE
from mendel.scenarios.format import Scenario, parse_scenario
from mendel.scenarios.scoring import Broken
from mendel.scenarios.shipped import find_scenario, shipped
from mendel.scenarios.simulator import USERS
from mendel.scenarios.staging import stage

WRITTEN = """
name = "small"
description = "A page and its database."
source = "This test."
until = "5m"
seed = 3

[estate]
[[estate.components]]
name = "web"
kind = "ui"
depends_on = ["db"]
traits = { boot_s = 1.5 }

[[estate.components]]
name = "db"
kind = "database"
replicas = 1
traits = { capacity_rate = 300.0 }

[traffic]
rate = 50.0
noise = 0.0

[must_not]
actions_max = 0
"""


def small(more: str = "", **changes: str) -> Scenario:
    text = WRITTEN
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_scenario(text + more, "small.toml")


class TestStage:
    def test_a_written_estate_is_laid_out_as_it_says(self) -> None:
        estate = stage(small()).course.estate

        assert [(each.name, each.kind, each.replicas) for each in estate.services] == [
            ("web", "ui", 2),
            ("db", "database", 1),
        ]
        assert (estate.service("web").boot_s, estate.service("db").capacity_rate) == (1.5, 300.0)
        assert [each.name for each in estate.edges] == [f"{USERS}>web", "web>db"]
        assert (estate.traffic.rate, estate.traffic.noise) == (50.0, 0.0)

    def test_the_seed_is_its_own_unless_another_one_is_given(self) -> None:
        assert stage(small()).course.seed == 3
        assert stage(small(), 7).course.seed == 7

    def test_a_fault_is_what_is_broken_from_then_on(self) -> None:
        staged = stage(small('[[faults]]\nkind = "crash"\ntarget = "db"\nat = "1m"\n'))

        assert staged.broken == (Broken(target="db", kind="crash", at_s=60.0),)
        assert [each.lasts_s for each in staged.course.faults] == [math.inf]

    def test_dead_connections_sit_in_the_callers_as_well(self) -> None:
        staged = stage(small('[[faults]]\nkind = "stale_pool"\ntarget = "db"\nat = "1m"\n'))

        assert [each.also for each in staged.broken] == [("web",)]

    def test_a_good_deployment_breaks_nothing(self) -> None:
        staged = stage(small('[[faults]]\nkind = "good_deploy"\ntarget = "web"\nat = "1m"\n'))

        assert staged.broken == ()

    def test_announced_maintenance_is_a_pause(self) -> None:
        window = '[[maintenance]]\ntarget = "web"\nat = "1m"\nlasts = "2m"\nreason = "disks"\n'

        assert stage(small(window)).pauses == (
            Pause(target="web", start_s=60.0, end_s=180.0, who="the scenario", reason="disks"),
        )

    def test_refuses_a_trait_that_the_simulator_does_not_know(self) -> None:
        with pytest.raises(ConfigError, match=r"traits of component 'web'.*bot_s"):
            stage(small(boot_s="bot_s"))

    def test_refuses_a_name_that_a_drawn_estate_does_not_have(self) -> None:
        text = 'name = "a"\ndescription = "b"\nsource = "c"\nuntil = "5m"\n[estate]\n'
        text += 'topology = "shop"\n[must]\nhealed = ["nobody"]\n'

        with pytest.raises(ConfigError, match="names 'nobody', but estate 'shop' has only: web"):
            stage(parse_scenario(text, "a.toml"))


def test_what_is_not_said_of_a_fault_is_usual_for_its_kind() -> None:
    text = 'name = "a"\ndescription = "b"\nsource = "c"\nuntil = "5m"\n[estate]\n'
    text += 'topology = "shop"\n[must_not]\nactions_max = 9\n'
    text += '[[faults]]\nkind = "memory_leak"\ntarget = "cart"\nat = "1m"\n'
    text += '[[faults]]\nkind = "spike"\ntarget = "*"\nat = "2m"\nseverity = 1.5\n'

    leak, spike = stage(parse_scenario(text, "a.toml")).course.faults

    assert leak == faults.memory_leak("cart", 60.0)
    assert spike == faults.spike("*", 120.0, severity=1.5)


class TestShipped:
    def test_every_kind_of_fault_is_there_and_so_are_quiet_times(self) -> None:
        scenarios = [find_scenario(name) for name in shipped()]

        assert {fault.kind for each in scenarios for fault in each.faults} == set(CATALOGUE)
        assert sum(not each.faults for each in scenarios) >= 3
        assert len(scenarios) >= 30

    @pytest.mark.parametrize("name", shipped())
    def test_each_is_called_like_its_file_and_can_be_staged(self, name: str) -> None:
        scenario = find_scenario(name)

        assert scenario.name == name
        assert stage(scenario).course.until_s == scenario.until_s

    @pytest.mark.parametrize(
        ("name", "remedy"), [("crsh", "did you mean 'crash'"), ("xyzzy", "there are: bad_deploy")]
    )
    def test_an_unknown_name_is_answered_with_a_known_one(self, name: str, remedy: str) -> None:
        with pytest.raises(ConfigError, match=remedy):
            find_scenario(name)
