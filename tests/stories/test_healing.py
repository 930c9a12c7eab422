"""From a fault to the proof of recovery, through all agents, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, Service, Watcher
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    AnomalyDetected,
    HealthChanged,
    IncidentClosed,
    IncidentOpened,
)
from mendel.core.health import Overall
from mendel.core.playbook import PlaybookConfig
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


def a_system(estate: Estate, config: Config | None = None) -> System:
    return System(config or Config(), estate, MemoryJournal())


def ends(seen: Watcher) -> dict[str, list[str]]:
    """Outcomes of the incidents that are over, by target."""
    found: dict[str, list[str]] = {}
    for closed in seen.of(IncidentClosed):
        found.setdefault(closed.target, []).append(closed.outcome)
    return found


class TestOneFault:
    async def test_a_crash_is_isolated_restarted_and_proven_healed(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(30)

            assert shop.ran == {"db": ["isolate", "restart", "release"]}
            assert ends(seen)["db"] == ["healed"]
            assert system.health() is Overall.HEALTHY

    async def test_a_crash_is_acted_on_within_one_probe_interval(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].crash()
            await asyncio.sleep(30)

        found = seen.of(AnomalyDetected, "payment")[0]
        restarted = next(each for each in shop["payment"].happened if each.action == "restart")
        assert found.detected_s - 10 <= 1.0
        # The action has its effect in the middle of the half second that it takes.
        assert restarted.at_s == pytest.approx(found.detected_s + 0.25)

    async def test_a_hang_is_restarted(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].fault = "hang"
            await asyncio.sleep(30)

            assert shop.ran == {"payment": ["isolate", "restart", "release"]}
            assert ends(seen)["payment"] == ["healed"]
            assert system.health() is Overall.HEALTHY

    async def test_failing_most_of_the_time_is_a_fault_although_some_answers_are_good(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].fault, shop["payment"].error_rate = "errors", 0.8
            await asyncio.sleep(40)

            assert shop.ran == {"payment": ["isolate", "restart", "release"]}
            assert ends(seen)["payment"] == ["healed"]

    async def test_one_bad_sample_is_no_incident(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].fault = "hang"
            await seen.until(lambda: seen.of(HealthChanged, "payment")[-1:], within_s=1)
            await seen.until(
                lambda: seen.of(HealthChanged, "payment")[-1].status == "suspect", within_s=2
            )
            shop["payment"].fault = ""
            await asyncio.sleep(30)

            assert [each.status for each in seen.of(HealthChanged, "payment")][-2:] == [
                "suspect",
                "healthy",
            ]
            assert seen.of(IncidentOpened) == []
            assert shop.ran == {}

    async def test_nothing_at_all_happens_on_a_quiet_day(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(3600)

            assert shop.ran == {}
            assert seen.of(IncidentOpened) == []
            assert system.health() is Overall.HEALTHY


class TestDependencies:
    async def test_callers_of_a_dead_dependency_are_never_touched(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            shop["db"].cure = shop["db"].breaks["restart"] = "crash"  # Nothing brings it back.
            shop["db"].breaks["replace"] = "crash"
            await asyncio.sleep(300)
            assert set(shop.ran) == {"db"}

            shop["db"].breaks.clear()
            shop["db"].undergo("restart", "by hand", asyncio.get_running_loop().time())
            await asyncio.sleep(60)

            assert set(shop.ran) == {"db"}
            assert ends(seen) == {"db": ["cleared"], "cart": ["attributed"], "web": ["attributed"]}
            assert system.health() is Overall.HEALTHY

    async def test_a_caller_that_stays_sick_after_its_dependency_recovered_is_restarted(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            shop["cart"].fault = "bad"  # Its connections stay dead when the database is back.
            await asyncio.sleep(60)

            assert shop.ran == {
                "db": ["isolate", "restart", "release"],
                "cart": ["isolate", "restart", "release"],
            }
            assert shop["cart"].happened[0].at_s > shop["db"].happened[-1].at_s
            assert ends(seen) == {"db": ["healed"], "cart": ["healed"], "web": ["attributed"]}

    async def test_two_that_are_sick_for_themselves_are_both_treated(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            shop["payment"].fault = "hang"
            await asyncio.sleep(60)

            assert shop.ran == {
                "db": ["isolate", "restart", "release"],
                "payment": ["isolate", "restart", "release"],
            }
            assert ends(seen)["db"] == ends(seen)["payment"] == ["healed"]
            assert system.health() is Overall.HEALTHY

    async def test_a_caller_that_crashes_while_its_dependency_is_down_is_restarted_too(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(1)
            shop["web"].crash()
            await asyncio.sleep(60)

            assert shop.ran == {
                "db": ["isolate", "restart", "release"],
                "web": ["isolate", "restart", "release"],
            }
            assert system.health() is Overall.HEALTHY


class TestProof:
    async def test_a_slow_boot_is_waited_for_and_not_restarted_again(self, shop: Estate) -> None:
        shop["payment"].boot_s = 40.0
        shop.actions("payment")["restart"].settle_s = 45.0
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].crash()
            await asyncio.sleep(100)

            assert shop.ran == {"payment": ["isolate", "restart", "release"]}
            closed = seen.of(IncidentClosed, "payment")
            assert [each.outcome for each in closed] == ["healed"]
            assert closed[0].closed_s - shop["payment"].up_from_s == pytest.approx(1.0, abs=0.6)

    async def test_callers_are_released_only_after_the_proof(self, shop: Estate) -> None:
        async with a_system(shop):
            await asyncio.sleep(10)
            shop["payment"].crash()
            await asyncio.sleep(30)

            _, restart, release = shop["payment"].happened
            assert release.at_s > restart.at_s + shop["payment"].boot_s
            assert not shop["payment"].is_isolated

    async def test_a_relapse_goes_on_with_what_was_not_tried_yet(self, shop: Estate) -> None:
        shop["payment"].cure = "replace"
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].fault = "hang"
            await asyncio.sleep(120)
            shop["payment"].fault = "hang"
            await asyncio.sleep(60)

            first, second = seen.of(IncidentClosed, "payment")
            assert first.actions == ("restart", "restart", "replace")
            assert second.actions == ("replace",)

    async def test_one_that_falls_ill_again_and_again_goes_to_a_person(self) -> None:
        estate = Estate([Service("cart")])
        playbook = PlaybookConfig(relapses=2)
        config = Config(defaults=DefaultsConfig(playbook=playbook))
        async with a_system(estate, config) as system:
            seen = Watcher(system)
            for _ in range(4):
                await asyncio.sleep(30)
                estate["cart"].fault = "hang"
            await asyncio.sleep(60)

            assert estate["cart"].ran.count("restart") == 3
            assert estate["cart"].ran[-1] == "notify"
            assert ends(seen) == {"cart": ["healed", "healed", "healed"]}

    async def test_what_is_broken_right_at_the_start_is_healed(self, shop: Estate) -> None:
        shop["db"].crash()
        async with a_system(shop) as system:
            seen = Watcher(system)
            await asyncio.sleep(30)

            assert shop.ran == {"db": ["isolate", "restart", "release"]}
            assert ends(seen)["db"] == ["healed"]
