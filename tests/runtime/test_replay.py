"""Any world, healed by a whole system in virtual time: what comes of it depends on nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mendel
import pytest
from estates import Estate, a_row, a_shop
from mendel.core.policy import Pause, PolicyConfig
from mendel.errors import ConfigError, PluginError
from mendel.runtime.config import Config
from mendel.runtime.replay import builder
from mendel.scenarios.replay import Outcome, replay
from mendel.scenarios.scoring import Broken

OBSERVE = Config(policy=PolicyConfig(mode="observe"))

WATCHED = """
[[components]]
name = "db"
probes = [{ heartbeat = "10s" }]
"""

# A flaky service, so that the draws of the world take part, and an action that does not help.
PROGRAM = """
from estates import a_shop
import mendel, msgspec

world = a_shop()
world["db"].crash()
world["payment"].fault, world["payment"].error_rate = "errors", 0.5
world["payment"].cure = "replace"
outcome = mendel.replay(world, until_s=300.0, seed=5)
print(msgspec.json.encode(outcome).decode())
"""


def a_crash() -> Estate:
    world = a_shop()
    world["db"].crash()
    return world


def healed(seed: int = 0) -> Outcome:
    return mendel.replay(a_crash(), until_s=60.0, seed=seed)


class TestReplay:
    def test_tells_what_was_decided_and_how_it_went(self) -> None:
        outcome = healed()

        assert outcome.actions == {"db": {"restart": 1}}
        assert [(each.target, each.outcome) for each in outcome.incidents] == [
            ("db", "healed"),
            ("cart", "attributed"),
            ("web", "attributed"),
        ]
        assert [each.kind for each in outcome.decisions[:4]] == [
            "AnomalyDetected",
            "IncidentOpened",
            "IncidentChanged",
            "IsolateTarget",
        ]
        assert outcome.harm is None
        assert outcome.left_out == 0

    def test_with_what_was_broken_it_tells_whether_it_was_fair(self) -> None:
        broken = [Broken(target="db", kind="crash", at_s=0.0)]

        measures = mendel.replay(a_crash(), until_s=60.0, broken=broken).measures

        assert (measures.detected, measures.healed) == (1, 1)
        assert (measures.false_alarms, measures.unneeded) == (0, 0)

    def test_a_world_that_knows_its_harm_is_asked_at_the_end(self) -> None:
        class Harmed(Estate):
            def harm(self) -> float:
                return 7.5 + len(self.intents)

        outcome = mendel.replay(Harmed(list(a_crash().services.values())), until_s=60.0)

        assert outcome.harm == 10.5  # Isolated, restarted, released.

    def test_an_hour_in_which_nothing_happens_has_no_decisions(self) -> None:
        outcome = mendel.replay(a_row(3), until_s=3600.0)

        assert outcome.decisions == ()
        assert outcome.incidents == ()

    def test_another_configuration_decides_otherwise(self) -> None:
        outcome = mendel.replay(a_crash(), OBSERVE, until_s=60.0)

        assert outcome.actions == {}
        assert outcome.sha256 != healed().sha256

    def test_nothing_is_done_to_what_is_paused(self) -> None:
        pause = Pause(target="*", start_s=0.0, end_s=30.0, who="ann")

        outcome = replay(a_crash(), builder(pauses=[pause]), 60.0)

        ran = [each.at_s for each in outcome.decisions if each.kind == "RunAction"]
        assert min(ran) >= 30.0

    def test_begins_when_it_is_told_to(self) -> None:
        outcome = replay(a_crash(), builder(), 60.0, start_s=1000.25)

        assert outcome.decisions[0].at_s == 1000.25

    @pytest.mark.parametrize("until_s", [0.0, -1.0, float("nan")])
    def test_refuses_to_follow_for_no_time(self, until_s: float) -> None:
        with pytest.raises(ConfigError, match="leaves nothing to follow"):
            mendel.replay(a_shop(), until_s=until_s)

    def test_reads_a_configuration_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mendel.toml"
        path.write_text('policy.mode = "observe"\n' + WATCHED)

        assert mendel.replay(a_crash(), path, until_s=60.0).actions == {}

    def test_a_plug_in_that_cannot_be_loaded_is_not_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "mendel.toml"
        path.write_text('agents = ["no_such_package:Agent"]\n' + WATCHED)

        with pytest.raises(PluginError, match="no_such_package"):
            mendel.replay(a_crash(), path, until_s=60.0)


class TestDeterminism:
    def test_the_same_run_twice_gives_the_same_outcome(self) -> None:
        assert healed() == healed()

    def test_two_processes_that_hash_differently_print_the_same_bytes(self) -> None:
        first, second = run_program("1"), run_program("2")

        assert b'"IncidentClosed"' in first
        assert b'"replace"' in first
        assert first == second


def run_program(hash_seed: str) -> bytes:
    helpers = Path(__file__).parents[1] / "helpers"
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.fspath(helpers)}
    command = (sys.executable, "-c", PROGRAM)
    done = subprocess.run(command, env=env, capture_output=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
