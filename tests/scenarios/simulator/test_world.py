"""The simulator as agents meet it: a world whose probes and actions go by the loop's clock."""

from __future__ import annotations

import asyncio

import pytest
from mendel.agents.ports import ActionResult, IntentStatus, Sample
from mendel.core.records import IntentRecord
from mendel.errors import NoData
from mendel.scenarios import faults
from mendel.scenarios.simulator import Course, Monitoring, SimulatedWorld
from mendel.scenarios.virtual_time import run
from shops import a_shop

pytestmark = pytest.mark.virtual_time

EXACT = Monitoring(noise=0.0, gap_rate=0.0)


def an_intent(action: str, target: str, name: str = "1-1.1") -> IntentRecord:
    return IntentRecord(
        intent=name,
        incident="1-1",
        target=target,
        action=action,
        attempt=1,
        timeout_s=60.0,
        at_s=0.0,
    )


async def look(world: SimulatedWorld, target: str) -> Sample:
    probe = next(each for each in world.probes if each.target == target)
    found = probe.read()
    return found if isinstance(found, Sample) else await found


async def test_components_are_those_of_the_estate_and_depend_on_what_they_call() -> None:
    world = SimulatedWorld(a_shop())

    assert {each.name: (each.kind, each.depends_on) for each in world.components} == {
        "web": ("ui", ("cart", "advice")),
        "cart": ("service", ("db",)),
        "db": ("database", ()),
        "advice": ("external", ()),
    }


async def test_a_healthy_component_reads_healthy() -> None:
    async with SimulatedWorld(a_shop(), monitoring=EXACT) as world:
        await asyncio.sleep(30)
        sample = await look(world, "cart")

    rounded = {name: round(value, 2) for name, value in sample.metrics.items()}
    assert rounded.pop("memory_bytes") == pytest.approx(0.4 * 2**30, rel=0.01)
    assert rounded == {
        "alive": 1.0,
        "reachable": 1.0,
        "answered": 1.0,
        "ok": 1.0,
        "error_rate": 0.0,
        "latency_s": 0.05,
        "queue_items": 0.0,
        "memory_limit_bytes": 2**30,
        "disk_share": 0.3,
        "connections_share": 0.02,
        "retries_rate": 0.0,
        "request_rate": 100.0,
        "cpu_share": 0.33,
    }


async def test_a_crashed_component_is_not_alive_and_one_that_boots_is_not_reachable() -> None:
    async with SimulatedWorld(a_shop(faults.crash("db", 10.0)), monitoring=EXACT) as world:
        await asyncio.sleep(15)
        assert await look(world, "db") == Sample({"alive": 0.0}, "exited")
        assert (await look(world, "cart")).metrics["ok"] == 0.0

        await world.actions("db")["restart"].run(an_intent("restart", "db"))
        booting = await look(world, "db")
        assert (booting.metrics["alive"], booting.metrics["reachable"]) == (1.0, 0.0)
        await asyncio.sleep(10)
        assert (await look(world, "db")).metrics["ok"] == 1.0


async def test_a_component_that_hangs_answers_nobody_and_keeps_the_probe_waiting() -> None:
    async with SimulatedWorld(a_shop(faults.hang("db", 10.0)), monitoring=EXACT) as world:
        await asyncio.sleep(20)
        began_s = asyncio.get_running_loop().time()
        sample = await look(world, "db")

    assert (sample.metrics["reachable"], sample.metrics["answered"]) == (1.0, 0.0)
    assert sample.detail == "no answer in time"
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(1.0)


async def test_a_gray_failure_is_green_to_its_own_check_and_seen_by_its_callers() -> None:
    course = a_shop(faults.gray_failure("cart", 10.0, severity=0.9))
    watch = ("components", "replicas", "edges")
    async with SimulatedWorld(course, watch=watch, monitoring=EXACT) as world:  # type: ignore[arg-type]
        await asyncio.sleep(60)

        own = (await look(world, "cart/1")).metrics
        assert own["ok"] == 1.0
        assert own["error_rate"] == pytest.approx(0.9)
        assert (await look(world, "cart/2")).metrics["error_rate"] == pytest.approx(0.0, abs=1e-6)
        assert (await look(world, "web>cart")).metrics["error_rate"] == pytest.approx(0.3, abs=0.01)
        assert "cart/4" not in {each.target for each in world.probes}  # Nothing runs there.


async def test_only_components_have_probes_unless_one_asks_for_more() -> None:
    assert [each.target for each in SimulatedWorld(a_shop()).probes] == [
        "web",
        "cart",
        "db",
        "advice",
    ]


async def test_noise_depends_on_the_seed_the_probe_and_the_time_only() -> None:
    async def seen(course: Course, looks_before: int) -> dict[str, float]:
        async with SimulatedWorld(course) as world:
            await asyncio.sleep(5)
            for _ in range(looks_before):
                await look(world, "web")
            return (await look(world, "cart")).metrics

    course = a_shop()
    other = Course(estate=course.estate, seed=1)

    assert await seen(course, 0) == await seen(course, 7)
    assert await seen(course, 0) != await seen(other, 0)


async def test_gaps_and_outages_of_the_monitoring_are_no_data() -> None:
    gaps = Monitoring(gap_rate=1.0)
    async with SimulatedWorld(a_shop(), monitoring=gaps) as world:
        with pytest.raises(NoData):
            await look(world, "web")

    outage = a_shop(faults.monitoring_outage("web", 10.0, lasts_s=10.0))
    async with SimulatedWorld(outage, monitoring=EXACT) as world:
        await asyncio.sleep(15)
        with pytest.raises(NoData):
            await look(world, "web")
        assert (await look(world, "cart")).metrics["ok"] == 1.0
        await asyncio.sleep(15)
        assert (await look(world, "web")).metrics["ok"] == 1.0


async def test_late_readings_are_as_old_as_they_are_late() -> None:
    course = a_shop(faults.late_monitoring("*", 0.0, severity=5.0), faults.crash("db", 10.0))
    async with SimulatedWorld(course, monitoring=EXACT) as world:
        await asyncio.sleep(8)
        sample = await look(world, "db")  # Arrives at 13 s and tells of 8 s.

    assert asyncio.get_running_loop().time() == pytest.approx(13.0)
    assert sample.metrics["alive"] == 1.0


async def test_actions_fit_the_kind_of_their_target() -> None:
    world = SimulatedWorld(a_shop())

    assert set(world.actions("advice")) == {"notify", "retry_budget", "isolate", "release"}
    assert set(world.actions("cart/2")) == {"restart", "replace", "drain", "undrain"}
    assert set(world.actions("web>cart")) == {"isolate", "release", "retry_budget"}
    assert "isolate" not in world.actions("web")  # Users cannot be kept away.
    assert "fail_over" in world.actions("db")
    assert dict(world.actions("nobody")) == {}
    assert dict(world.actions("")) == {}


async def test_an_action_takes_its_time_and_its_status_tells_whether_it_took_place() -> None:
    async with SimulatedWorld(a_shop(faults.crash("db", 10.0))) as world:
        await asyncio.sleep(20)
        action = world.actions("db")["restart"]
        intent = an_intent("restart", "db")
        assert await action.status(intent) is IntentStatus.NOT_DONE

        result = await action.run(intent)

        assert result == ActionResult(True, "done")
        assert 21.0 <= asyncio.get_running_loop().time() <= 22.0
        assert await action.status(intent) is IntentStatus.DONE


async def test_an_action_refuses_another_target() -> None:
    async with SimulatedWorld(a_shop()) as world:
        result = await world.actions("db")["restart"].run(an_intent("restart", "cart"))

    assert result == ActionResult(False, "'restart' is an action of 'db', not of 'cart'")
    assert world.simulation.ran == []


async def test_a_cancelled_action_goes_no_further() -> None:
    async with SimulatedWorld(a_shop()) as world:
        await asyncio.sleep(10)
        action = world.actions("cart")["rolling_restart"]
        intent = an_intent("rolling_restart", "cart")
        running = asyncio.ensure_future(action.run(intent))
        await asyncio.sleep(3)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(60)

        state = world.simulation.state
        boots = [state.up_from_s[each] for each in world.simulation.layout.slots[1][:3]]
        assert running.cancelled()
        assert [each > 0.0 for each in boots] == [True, False, False]
        assert await action.status(intent) is IntentStatus.NOT_DONE


async def test_deployments_and_announced_work_are_told() -> None:
    course = a_shop(faults.good_deploy("cart", 20.0), faults.maintenance("web", 100.0))
    async with SimulatedWorld(course) as world:
        await asyncio.sleep(10)
        assert world.annotation("cart").version == "v1"
        await asyncio.sleep(20)
        world.catch_up()

        cart = world.annotation("cart")
        assert (cart.version, cart.deployed_s) == ("v2", 20.0)
        assert world.annotation("web").maintenance == ((100.0, 220.0),)


def test_what_came_of_it_can_be_asked_when_the_loop_is_gone() -> None:
    world = SimulatedWorld(a_shop(faults.crash("db", 10.0)))

    async def watch() -> None:
        async with world:
            await asyncio.sleep(70.0)

    run(watch())

    assert world.harm() == pytest.approx(1.0, abs=0.02)
    assert world.outcome.failed == pytest.approx(6_000.0, rel=0.02)


async def test_looking_more_often_changes_nothing() -> None:
    async def harm(every_s: float) -> float:
        async with SimulatedWorld(a_shop(faults.crash("cart", 20.0))) as world:
            while world.simulation.now_s < 60.0:
                await asyncio.sleep(every_s)
                world.catch_up()
            return world.harm()

    assert await harm(0.125) == await harm(7.5)


async def test_availability_is_the_share_of_requests_that_were_answered() -> None:
    async with SimulatedWorld(a_shop(faults.crash("db", 30.0))) as world:
        assert world.availability() == 1.0
        await asyncio.sleep(60)

        missed = world.outcome.failed + world.outcome.shed
        assert world.availability() == pytest.approx(1.0 - missed / world.outcome.offered)
        assert 0.4 < world.availability() < 0.6
