"""A real world that goes over to other components."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from mendel.errors import ConfigError
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec
from mendel.runtime.world import RealWorld

Build = Callable[..., RealWorld]
SLEEP = ProcessSpec(exec=("sleep", "1000"))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def spec(name: str, **fields: object) -> ComponentSpec:
    return ComponentSpec(name=name, **fields)  # type: ignore[arg-type]


async def test_processes_come_and_go_and_those_that_stay_are_left_alone(a_world: Build) -> None:
    async with a_world(spec("db", process=SLEEP), spec("cart", process=SLEEP)) as world:
        db, cart = world.process("db"), world.process("cart")
        assert db is not None
        assert cart is not None

        world.change(world.prepare([spec("db", process=SLEEP), spec("web", process=SLEEP)]))
        await world.settle()

        assert world.process("db") == db
        assert not lives(cart.pid)
        web = world.process("web")
        assert web is not None
        assert lives(web.pid)
        assert [each.name for each in world.components] == ["db", "web"]


async def test_another_command_is_run_from_the_next_start_on(a_world: Build) -> None:
    async with a_world(spec("db", process=SLEEP)) as world:
        running = world.process("db")
        longer = ProcessSpec(exec=("sleep", "2000"), log_bytes=5000)

        world.change(world.prepare([spec("db", process=longer)]))
        await world.settle()
        assert world.process("db") == running

        restart = world.actions("db")["restart"]
        assert restart.settle_s == 10.0
        assert (await restart._process.restart()).startswith("started process")  # type: ignore[attr-defined]
        assert world.process("db") != running


async def test_what_is_as_it_was_is_the_same_object(a_world: Build) -> None:
    beat, act = ProbeSpec(heartbeat_s=9.0), ActionSpec(exec=("true",))
    async with a_world(spec("db", probes=(beat,), actions={"act": act, "more": act})) as world:
        probe, action = world.probes[0], world.actions("db")["act"]
        world.heartbeat("db", {"queue": 3.0})
        other = ProbeSpec(heartbeat_s=8.0)

        more = ActionSpec(exec=("false",))
        equipment = world.prepare(
            [spec("db", probes=(beat, other), actions={"act": act, "more": more})]
        )
        former = world.actions("db")["more"]
        world.change(equipment)

        assert world.probes[0] is probe
        assert [each.name for each in world.probes] == ["heartbeat", "heartbeat-2"]
        assert world.actions("db")["act"] is action
        assert world.actions("db")["more"] is not former


async def test_a_component_that_is_gone_can_still_be_let_go_of(a_world: Build) -> None:
    acts = {name: ActionSpec(exec=("true",)) for name in ("isolate", "release", "restart")}
    async with a_world(spec("db", actions=acts), spec("cart")) as world:
        world.change(world.prepare([spec("cart")]))

        assert list(world.actions("db")) == ["release"]
        assert world.actions("nobody") == {}


async def test_what_cannot_be_made_changes_nothing(a_world: Build) -> None:
    async with a_world(spec("db")) as world:
        with pytest.raises(ConfigError, match="needs a process that mendel runs"):
            world.prepare([spec("db", actions={"act": ActionSpec(process="restart")})])

        assert world.actions("db") == {}


async def test_more_requests_than_before_find_room(a_world: Build, tmp_path: object) -> None:
    def asks(count: int) -> ComponentSpec:
        return spec("db", probes=tuple(ProbeSpec(http="http://127.0.0.1:1/") for _ in range(count)))

    async with a_world(asks(1)) as world:
        for count in (5, 2, 30):
            world.change(world.prepare([asks(count)]))
            sample = await world.probes[-1].read()  # type: ignore[misc]
            assert sample.metrics["reachable"] == 0.0
