"""Healers for programs: settings, worlds, actions of every sort, people."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import mendel
import pytest
from estates import Estate, Service, ServiceAction
from mendel.bus.messages import ApprovalGiven, PauseTarget, ResumeTarget
from mendel.core.levels import LEVELS, Level
from mendel.errors import ConfigError
from mendel.runtime.healing.setup import Setup

pytestmark = pytest.mark.virtual_time

DEAD, WELL = {"alive": 0.0}, {"alive": 1.0, "ok": 1.0}


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> Level:
    found: Level = request.param
    return found


async def well(healer: Any, target: str = "cart", samples: int = 15) -> Any:
    for _ in range(samples):
        await healer.detect_anomaly(target, WELL)
        await asyncio.sleep(1.0)
    return await healer.verify_recovery(target)


async def applied(healer: Any, target: str = "cart") -> Any:
    for _ in range(20):
        response = await healer.select_response(target)
        if response.action:
            return await healer.apply_response(response)
        await asyncio.sleep(0.5)
    raise AssertionError("nothing is chosen")


class TestSettings:
    async def test_come_as_a_mapping(self, level: Level) -> None:
        healer = mendel.create(level, {"policy": {"mode": "observe"}})
        healer.watch("cart", {"restart": lambda: pytest.fail("it is only observed")})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            await asyncio.sleep(5.0)

            assert (await healer.select_response("cart")).action == ""
            assert (await healer.verify_recovery("cart")).stage == "observed"

    async def test_take_every_spelling_that_a_file_may_have(self) -> None:
        settings = {
            "defaults": {"verify": {"window": "30s"}, "watch": {"silent_s": 5}},
            "resources": {"memory": "64MB", "lag": None},
            "components": ({"name": "cart", "playbook": {"backoff": "250ms"}},),
        }

        config = Setup(settings, "basic", None).config

        assert config.defaults.verify.window_s == 30.0
        assert config.defaults.watch.silent_s == 5.0
        assert (config.resources.memory_bytes, config.resources.lag_s) == (64_000_000, None)
        assert config.components[0].playbook == {"backoff_s": 0.25}

    async def test_tell_all_that_is_wrong_at_once_and_where(self) -> None:
        settings = {"defaults": {"verify": {"window": "soon"}}, "policy": {"mode": "heroic"}}

        with pytest.raises(ConfigError) as caught:
            mendel.create("basic", settings)

        places = [each.place for each in caught.value.problems]
        assert places == ["defaults.verify.window", "policy.mode"]
        assert 'defaults.verify.window: "soon" is not a duration' in str(caught.value)

    async def test_of_one_component_stand_before_the_level(self, level: Level) -> None:
        settings = {"kinds": {"database": {"level": "basic"}}}
        healer = mendel.create(level, settings)
        healer.watch("db", kind="database")
        healer.watch("cart", depends_on=["db"])
        async with healer:
            assert (await healer.get_health_status()).levels == {"db": "basic", "cart": level}

    async def test_plan_and_thresholds_are_those_of_the_component(self, level: Level) -> None:
        done = []
        healer = mendel.create(level)
        actions = {"restart": lambda: done.append("restart"), "purge": lambda: done.append("purge")}
        lines = {"queue": {"above": 100.0, "samples": 1, "of": 1}}
        healer.watch("cart", actions, plan=["purge"], thresholds=lines)
        async with healer:
            for _ in range(20):
                await healer.detect_anomaly("cart", WELL | {"queue": 500.0})
                response = await healer.select_response("cart")
                if response.action:
                    break
                await asyncio.sleep(1.0)
            finished = await healer.apply_response(response)

        assert (finished.outcome, done) == ("succeeded", ["purge"])

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"polcy": {}}, "unknown field `polcy`"),
            ({"policy": {"mode": "heroic"}}, "heroic"),
        ],
    )
    async def test_with_mistakes_are_refused(self, settings: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            mendel.create("basic", settings)

    async def test_a_level_that_there_is_not(self) -> None:
        with pytest.raises(ConfigError, match="did you mean `basic`"):
            mendel.create("basics")  # type: ignore[arg-type]


class TestChangedLevel:
    async def test_what_is_told_from_then_on_is_seen_by_the_settings_of_the_new_level(self) -> None:
        line = {"queue": {"above": 100, "samples": 1, "of": 1}}
        settings = {"levels": {"advanced": {"watch": {"thresholds": line}}}}
        healer = mendel.create("basic", settings)
        healer.watch("cart")
        async with healer:
            before = await healer.detect_anomaly("cart", WELL | {"queue": 500.0})
            await healer.change_level("cart", "advanced")
            after = await healer.detect_anomaly("cart", WELL | {"queue": 500.0})

        assert [each.metric for each in before.anomalies] == []
        assert [each.metric for each in after.anomalies] == ["queue"]


class TestComponents:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"target": "no name"}, "no name"),
            ({"target": "cart", "kind": "boat"}, "boat"),
            ({"target": "cart", "every_s": 0.0}, "every_s=0"),
            ({"target": "cart", "actions": {"restart": 5}}, "it must be a function"),
            ({"target": "cart", "thresholds": {"queue": {}}}, "a threshold needs"),
            ({"target": "cart", "thresholds": {"heap_bytes": {"above": "much"}}}, "not a size"),
        ],
    )
    async def test_that_make_no_sense_are_refused(self, arguments: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            mendel.create("basic").watch(**arguments)

    async def test_a_dependency_on_nobody_is_refused(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart", depends_on=["bd"])
        healer.watch("db")

        with pytest.raises(ConfigError, match="did you mean `db`"):
            async with healer:
                await healer.get_health_status()

    async def test_are_named_before_healing_begins(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart")
        async with healer:
            await healer.get_health_status()
            with pytest.raises(ConfigError, match=r"'db'.* before"):
                healer.watch("db")

    async def test_agents_have_to_run(self) -> None:
        healer = mendel.create("full")
        healer.watch("cart")

        with pytest.raises(ConfigError, match="async with"):
            await healer.detect_anomaly("cart", WELL)


class TestActions:
    @pytest.mark.parametrize(
        ("told", "outcome"),
        [
            (None, "succeeded"),
            (True, "succeeded"),
            (False, "failed"),
            (mendel.ActionResult(False, "busy"), "failed"),
        ],
    )
    async def test_tell_by_what_they_return(self, level: Level, told: Any, outcome: str) -> None:
        healer = mendel.create(level)
        healer.watch("cart", {"restart": lambda: told})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)

            assert (await applied(healer)).outcome == outcome

    async def test_that_take_too_long_are_ended(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart", {"restart": lambda: asyncio.sleep(600.0)}, timeout_s=5.0)
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            finished = await applied(healer)

        assert (finished.outcome, finished.duration_s) == ("timed_out", 5.0)

    async def test_of_a_class_of_its_own_are_run_as_they_are(self, level: Level) -> None:
        service = Service("cart")
        healer = mendel.create(level)
        healer.watch("cart", {"restart": ServiceAction(service, "restart")})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            await applied(healer)

        assert service.ran == ["restart"]

    async def test_keep_calls_away_while_it_is_restarted(self, level: Level) -> None:
        done: list[str] = []
        healer = mendel.create(level)
        names = ("restart", "isolate", "release")
        healer.watch("cart", {name: partial(done.append, name) for name in names})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            await applied(healer)
            recovery = await well(healer)

        assert recovery.outcome == "healed"
        assert sorted(done[:2]) == ["isolate", "restart"]
        assert done[2:] == ["release"]


class TestPeople:
    async def test_a_pause_holds_until_it_is_ended(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart", {"restart": lambda: None})
        async with healer:
            pause = PauseTarget(target="cart", duration_s=600.0, who="ann", reason="lunch")
            await healer.tell(pause)
            await healer.detect_anomaly("cart", DEAD)
            await asyncio.sleep(3.0)
            paused = await healer.select_response("cart")
            await healer.tell(ResumeTarget(target="cart", who="ann"))
            finished = await applied(healer)

        assert (paused.action, "paused by ann" in paused.reason) == ("", True)
        assert finished.outcome == "succeeded"

    async def test_what_needs_approval_waits_for_it(self, level: Level) -> None:
        healer = mendel.create(level, {"policy": {"mode": "recommend"}})
        healer.watch("cart", {"restart": lambda: None})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            await asyncio.sleep(3.0)
            assert (await healer.verify_recovery("cart")).stage == "awaiting_approval"
            await healer.tell(ApprovalGiven(approval="1-1.1.restart", who="ann"))

            assert (await applied(healer)).outcome == "succeeded"


class TestWorlds:
    async def test_a_world_is_looked_at_when_no_metrics_are_told(self, level: Level) -> None:
        cart = Service("cart")
        healer = mendel.create(level, world=Estate([cart]))
        async with healer:
            cart.crash()
            for _ in range(3):
                detection = await healer.detect_anomaly("cart")
                await asyncio.sleep(0.1)
            await applied(healer)
            for _ in range(20):
                await healer.detect_anomaly("cart")
                await asyncio.sleep(1.0)
            recovery = await healer.verify_recovery("cart")

        assert detection.is_anomalous
        assert (recovery.outcome, cart.ran.count("restart")) == ("healed", 1)

    async def test_a_world_has_to_be_entered(self) -> None:
        healer = mendel.create("basic", world=Estate([Service("cart")]))

        with pytest.raises(ConfigError, match="async with"):
            await healer.detect_anomaly("cart")

    async def test_what_is_told_has_no_probe_of_its_own(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart")
        async with healer:
            with pytest.raises(ConfigError, match="its metrics have to be told"):
                await healer.detect_anomaly("cart")

    async def test_what_has_probes_is_told_nothing(self, level: Level) -> None:
        async with mendel.create(level, world=Estate([Service("cart")])) as healer:
            with pytest.raises(ConfigError, match="cart"):
                await healer.detect_anomaly("cart", WELL)

    async def test_silence_is_noticed(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart")
        async with healer:
            await well(healer, samples=3)
            await asyncio.sleep(60.0)

            assert (await healer.get_health_status()).components == {"cart": "unknown"}


class TestLearning:
    async def test_only_levels_that_learn_do(self, level: Level) -> None:
        healer = mendel.create(level)
        healer.watch("cart", {"restart": lambda: None})
        async with healer:
            await healer.detect_anomaly("cart", DEAD)
            await applied(healer)
            experience = (await well(healer)).experience

        other = mendel.create(level)
        other.watch("cart", {"restart": lambda: None})
        async with other:
            lesson = await other.learn_from_incident(experience)

        assert lesson.learned == (0 if level == "basic" else 1)
        assert ("does not learn" in lesson.reason) == (level == "basic")

    async def test_strangers_and_nonsense_teach_nothing(self) -> None:
        from mendel.scenarios.compliance.patients import an_experience
        from msgspec import structs

        healer = mendel.create("advanced")
        healer.watch("cart")
        async with healer:
            records = [
                structs.replace(an_experience(), target="crat"),
                structs.replace(an_experience(), verdict="nice"),
            ]
            lesson = await healer.learn_from_incident(records)

        assert lesson.learned == 0
        assert lesson.reason == "nobody watches 'crat'; 'nice' is no verdict"


FILE = """
[[components]]
name = "cart"
probes = [{ exec = ["grep", "-q", "fine", "state"], every = "1s" }]
actions = { restart = { exec = ["sh", "-c", "echo fine > state"], settle = "1s" } }
"""

PROGRAM = """
import asyncio, sys, mendel
async def main():
    async with mendel.create("advanced", sys.argv[1]) as healer:
        for _ in range(400):
            await healer.detect_anomaly("cart")
            await healer.apply_response(await healer.select_response("cart"))
            recovery = await healer.verify_recovery("cart")
            if recovery.outcome:
                print(recovery.outcome)
                return
            await asyncio.sleep(0.05)
asyncio.run(main())
"""


def test_a_file_brings_probes_and_actions(tmp_path: Path) -> None:
    (tmp_path / "mendel.toml").write_text(FILE)
    (tmp_path / "state").write_text("broken\n")
    command = [sys.executable, "-c", PROGRAM, "mendel.toml"]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )

    assert (done.stderr, done.stdout) == ("", "healed\n")
