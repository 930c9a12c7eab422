"""Every world of ours keeps the contract for worlds: real, simulated, recorded, and of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from estates import a_shop
from mendel.agents.ports import World
from mendel.core.topology import Component
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec
from mendel.runtime.world import RealWorld
from mendel.scenarios.contracts import verdicts
from mendel.scenarios.recorded import RecordedWorld
from mendel.scenarios.recording import SCHEMA, Header, RecordingWriter, Row
from mendel.scenarios.shipped import find_scenario, shipped
from mendel.scenarios.staging import stage
from mendel.scenarios.testing import WorldContract


class TestTheShopOfTests(WorldContract):
    def world(self) -> World:
        return a_shop()


class TestRecorded(WorldContract):
    @pytest.fixture(autouse=True)
    def a_recording(self, tmp_path: Path) -> None:
        self.path = tmp_path / "run.jsonl"
        components = (Component(name="web", depends_on=("db",)), Component(name="db"))
        with RecordingWriter(self.path, Header(schema=SCHEMA, components=components)) as writer:
            writer.write([Row(0.0, "web", {"ok": 1.0}, "http"), Row(0.5, "db", {"ok": 1.0}, "tcp")])

    def world(self) -> World:
        return RecordedWorld(self.path)


class TestReal(WorldContract):
    in_virtual_time = False

    @pytest.fixture(autouse=True)
    def a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def world(self) -> World:
        sleeper = ProcessSpec(exec=("sleep", "609"))
        stop = ActionSpec(process="stop", undo="start")
        specs = [
            ComponentSpec(
                name="web",
                depends_on=("db",),
                process=sleeper,
                actions={"stop": stop, "start": ActionSpec(process="start")},
            ),
            ComponentSpec(
                name="db", probes=(ProbeSpec(exec=("true",)), ProbeSpec(heartbeat_s=1.0))
            ),
        ]
        return RealWorld(specs, state=self.folder / ".mendel", base=self.folder)


@pytest.mark.parametrize("name", shipped())
def test_the_estate_of_every_scenario_that_ships(name: str) -> None:
    class Staged(WorldContract):
        def world(self) -> World:
            return stage(find_scenario(name)).world

    assert [each for each in verdicts(Staged) if not each.kept] == []
