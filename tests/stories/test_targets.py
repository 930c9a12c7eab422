"""Replicas, edges and annotations: a whole system looks at all of them, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import IncidentOpened, Message, TargetAnnotated
from mendel.core.notes import annotation_of
from mendel.core.topology import Annotation
from mendel.runtime.config import Config
from mendel.runtime.system import System
from mendel.scenarios import faults
from mendel.scenarios.recorded import RecordedWorld
from mendel.scenarios.recorder import Recorder
from mendel.scenarios.recording import SCHEMA, Header, RecordingWriter
from mendel.scenarios.simulator import Course, SimulatedWorld
from mendel.scenarios.simulator.world import Watched
from shops import a_shop

ALL: tuple[Watched, ...] = ("components", "replicas", "edges")


async def heal(course: Course, seconds: float) -> tuple[System, SimulatedWorld, list[Message]]:
    world = SimulatedWorld(course, watch=ALL)
    heard: list[Message] = []
    async with System(Config(), world, MemoryJournal()) as system:
        system.bus.tap(lambda batch: heard.extend(each.message for each in batch))
        await asyncio.sleep(seconds)
    return system, world, heard


@pytest.mark.virtual_time
async def test_one_dead_replica_is_an_incident_of_its_component() -> None:
    system, world, heard = await heal(a_shop(faults.crash("cart", 60.0, share=0.34)), 240.0)

    opened = [each for each in heard if isinstance(each, IncidentOpened)]
    assert opened[0].target == "cart"
    assert {target.partition("/")[0] for _, _, target in world.simulation.ran} == {"cart"}
    assert system.statuses()["cart"] == "healthy"
    assert set(system.statuses()) == {each.name for each in world.components}


@pytest.mark.virtual_time
async def test_deployments_and_work_become_messages_once() -> None:
    course = a_shop(faults.good_deploy("cart", 20.0), faults.maintenance("web", 100.0))

    system, _, heard = await heal(course, 60.0)

    told = [each for each in heard if isinstance(each, TargetAnnotated)]
    assert [(each.target, each.version, each.deployed_s, each.maintenance) for each in told] == [
        ("web", "v1", None, ((100.0, 220.0),)),
        ("cart", "v1", None, ()),
        ("db", "v1", None, ()),
        ("advice", "v1", None, ()),
        ("cart", "v2", 20.0, ()),
    ]
    assert system.parts.casebook.annotations["cart"] == Annotation(version="v2", deployed_s=20.0)


@pytest.mark.virtual_time
async def test_nothing_is_done_while_announced_work_goes_on() -> None:
    _, world, _ = await heal(a_shop(faults.maintenance("cart", 60.0, lasts_s=60.0)), 115.0)

    assert world.simulation.ran == []


@pytest.mark.virtual_time
async def test_a_recording_tells_deployments_as_the_world_did(tmp_path: Path) -> None:
    world = SimulatedWorld(a_shop(faults.good_deploy("cart", 20.0)), watch=ALL)
    path = tmp_path / "day.jsonl.gz"
    async with System(Config(), world, MemoryJournal()) as system:
        header = Header(schema=SCHEMA, components=tuple(world.components))
        async with Recorder(system.bus, RecordingWriter(path, header), thread=False):
            await asyncio.sleep(40.0)

    recorded = RecordedWorld(path)

    assert {each.name for each in recorded.components} == {"web", "cart", "db", "advice"}
    assert {"cart/2", "web>cart"} < {each.target for each in recorded.probes}
    told = [each.message for each in recorded.contents.inputs]
    assert isinstance(told[-1], TargetAnnotated)
    assert annotation_of(told[-1]) == Annotation(version="v2", deployed_s=20.0)
