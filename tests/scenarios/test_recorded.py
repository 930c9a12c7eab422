"""A recording is a world: what was seen is seen again, at the same times, and decided alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from estates import Estate, a_shop
from mendel import CallNotPermitted, guard, guards
from mendel.agents.guards.registry import forget
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    ActionFinished,
    AnomalyDetected,
    ApprovalGiven,
    ApprovalRequested,
    PauseTarget,
)
from mendel.core.circuits.circuit import CircuitConfig
from mendel.core.policy import PolicyConfig
from mendel.core.topology import Component
from mendel.core.watching.watch import CALLS
from mendel.runtime.config import Config
from mendel.runtime.replay import builder
from mendel.runtime.system import System
from mendel.scenarios.contents import JUDGED_ON
from mendel.scenarios.recorded import RecordedWorld
from mendel.scenarios.recorder import Recorder
from mendel.scenarios.recording import SCHEMA, Fault, Header, Label, Record, RecordingWriter, Row
from mendel.scenarios.replay import Outcome, digest, replay
from mendel.scenarios.scoring import Broken, cases
from mendel.scenarios.virtual_time import run

# No round number: live clocks are not at 0 when mendel starts.
START_S = 1234.567


async def _trouble(world: Estate) -> None:
    await asyncio.sleep(20.3)
    world["db"].crash()
    await asyncio.sleep(60.0)
    world["payment"].fault = "hang"
    await asyncio.sleep(60.0)
    world["web"].is_seen = False
    await asyncio.sleep(30.0)
    world["web"].is_seen = True
    await asyncio.sleep(30.0)


def record(path: Path, world: Estate) -> None:
    """A run of a system that heals the world, recorded in virtual time."""

    async def main() -> None:
        await asyncio.sleep(START_S)
        header = Header(schema=SCHEMA, components=tuple(world.components), start_s=START_S)
        writer = RecordingWriter(path, header)
        async with (
            System(Config(), world, MemoryJournal()) as system,
            Recorder(system.bus, writer, thread=False),
        ):
            await _trouble(world)

    run(main())


def written(path: Path, *records: Record, components: tuple[str, ...] = ()) -> Path:
    """A recording made by hand."""
    known = tuple(Component(name=name) for name in components)
    with RecordingWriter(path, Header(schema=SCHEMA, components=known)) as writer:
        writer.write(records)
    return path


def rows(*values: float, target: str = "web", every_s: float = 1.0) -> list[Record]:
    """One probe's rows: is it ok, once every so often."""
    return [
        Row(number * every_s, target, {"ok": value}, "http")
        for number, value in enumerate(values, 1)
    ]


def replayed(world: RecordedWorld, config: Config | None = None) -> Outcome:
    contents = world.contents
    return replay(
        world,
        builder(config, run=contents.run),
        contents.last_s - contents.start_s + 1.0,
        start_s=contents.start_s,
        broken=contents.broken,
        inputs=contents.inputs,
        notes=contents.notes,
    )


def _forget_all() -> None:
    for target in list(guards()):
        forget(target)


class TestGuardedCalls:
    """They are recorded as rates once a second, and told again at the same times."""

    @pytest.fixture(autouse=True)
    def no_guards(self) -> Iterator[None]:
        _forget_all()  # A test of another module may have left some.
        yield
        _forget_all()

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Calls to a service fail for a while, which no probe sees, and then nobody calls."""
        guard("payment", circuit=PATIENT)

        async def main() -> None:
            world = a_shop()
            header = Header(schema=SCHEMA, components=tuple(world.components))
            async with (
                System(Config(), world, MemoryJournal()) as system,
                Recorder(system.bus, RecordingWriter(path, header), thread=False),
            ):
                await asyncio.sleep(5.05)
                for number in range(300):
                    _call("payment", works=not 100 <= number < 160)
                    await asyncio.sleep(0.1)
                await asyncio.sleep(30.0)

        path = tmp_path / "calls.jsonl.gz"
        run(main())
        forget("payment")
        return path

    @pytest.mark.parametrize("direct", [False, True])
    def test_what_was_decided_because_of_them_is_decided_again(
        self, path: Path, direct: bool
    ) -> None:
        world = RecordedWorld(path, like=a_shop())
        contents = world.contents
        until_s = contents.last_s - contents.start_s + 1.0

        outcome = replay(world, builder(Config(), run=contents.run, direct=direct), until_s)

        assert ("AnomalyDetected", "payment", "call_failure_rate") in [
            each.gist[:3] for each in contents.decisions
        ]
        assert outcome.decisions == contents.decisions

    def test_the_calls_of_who_replays_are_none_of_them(self, path: Path) -> None:
        before = replayed(RecordedWorld(path), Config())
        guard("db", circuit=PATIENT)
        for _ in range(20):
            _call("db", works=False)

        assert replayed(RecordedWorld(path), Config()).sha256 == before.sha256

    def test_whoever_was_only_called_is_known(self, tmp_path: Path) -> None:
        row = Row(1.0, "mail", {"calls": 9.0}, "", CALLS)
        contents = RecordedWorld(written(tmp_path / "a.jsonl", row, *rows(1.0))).contents

        assert contents.calls == ("mail",)
        assert {each.name for each in contents.components} == {"mail", "web"}
        assert contents.notes == (JUDGED_ON,)


# A circuit that leaves the judgement to the Coordinator.
PATIENT = CircuitConfig(failure_rate=1.0, minimum_calls=1000, window_calls=1000)


def _call(target: str, *, works: bool) -> None:
    with contextlib.suppress(ConnectionError, CallNotPermitted), guard(target):
        if not works:
            raise ConnectionError("refused")


class TestTheSameAgain:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "run.jsonl.gz"
        record(path, a_shop())
        return path

    def test_with_the_same_configuration_every_decision_falls_at_the_same_moment(
        self, path: Path
    ) -> None:
        world = RecordedWorld(path, like=a_shop())

        outcome = replayed(world)

        then = world.contents.decisions
        assert [each.message.target for each in then if each.kind == "RunAction"] == [
            "db",
            "payment",
        ]
        assert [(each.at_s, each.gist) for each in outcome.decisions] == [
            (each.at_s, each.gist) for each in then
        ]
        assert outcome.sha256 == digest(then)

    def test_without_knowing_how_probes_were_configured_the_same_is_done(self, path: Path) -> None:
        world = RecordedWorld(path)

        outcome = replayed(world)

        assert outcome.actions == {"db": {"restart": 1}, "payment": {"restart": 1}}
        assert [(case.target, case.outcome) for case in outcome.incidents] == [
            (case.target, case.outcome)
            for case in cases(each.message for each in world.contents.decisions)
        ]

    def test_with_another_configuration_other_decisions_are_taken(self, path: Path) -> None:
        config = Config()
        only_watches = Config(policy=type(config.policy)(mode="observe"))

        outcome = replayed(RecordedWorld(path), only_watches)

        assert outcome.actions == {}
        assert {each.target for each in outcome.incidents} >= {"db", "payment"}

    def test_the_outcome_says_what_it_cannot_tell(self, path: Path) -> None:
        assert replayed(RecordedWorld(path)).notes == (JUDGED_ON,)

    def test_what_was_to_be_done_is_written_down(self, path: Path) -> None:
        world = RecordedWorld(path, like=a_shop())

        replayed(world)

        treated = [(target, name) for _, target, name in world.ordered if name == "restart"]
        assert treated == [("db", "restart"), ("payment", "restart")]

    def test_it_can_be_run_again(self, path: Path) -> None:
        assert replayed(RecordedWorld(path)).sha256 == replayed(RecordedWorld(path)).sha256


class TestWhatPeopleSay:
    """Pauses and approvals come from outside; without them, other decisions would follow."""

    CONFIG = Config(policy=PolicyConfig(approve=("restart",)))

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """The database crashes, is paused for a while, and its restart is then approved."""
        path, world = tmp_path / "run.jsonl.gz", a_shop()

        async def main() -> None:
            await asyncio.sleep(START_S)
            header = Header(schema=SCHEMA, components=tuple(world.components), start_s=START_S)
            writer = RecordingWriter(path, header)
            async with (
                System(self.CONFIG, world, MemoryJournal(), run=3) as system,
                Recorder(system.bus, writer, thread=False),
            ):
                asked: list[Any] = []
                system.bus.tap(
                    lambda batch: asked.extend(each.message for each in batch),
                    f"{ApprovalRequested.topic}.>",
                )
                await asyncio.sleep(5.3)
                pause = PauseTarget(target="db", duration_s=30.0, who="ada", reason="to look at it")
                await system.bus.publish(pause)
                world["db"].crash()
                await asyncio.sleep(45.1)
                approval = ApprovalGiven(approval=asked[0].approval, who="ada")
                await system.bus.publish(approval)
                await asyncio.sleep(60.0)

        run(main())
        return path

    def test_it_is_said_again_at_its_time_and_the_same_follows(self, path: Path) -> None:
        world = RecordedWorld(path, like=a_shop())

        outcome = replayed(world, self.CONFIG)

        then = world.contents.decisions
        assert [type(each.message) for each in world.contents.inputs] == [
            PauseTarget,
            ApprovalGiven,
        ]
        assert [each.at_s for each in then if each.kind == "RunAction"] == [START_S + 5.3 + 45.1]
        assert outcome.sha256 == digest(then)

    def test_incidents_have_the_names_that_they_had(self, path: Path) -> None:
        outcome = replayed(RecordedWorld(path, like=a_shop()), self.CONFIG)

        assert outcome.incidents[0].incident == "3-1"


class TestForeignRecordings:
    def test_whoever_has_rows_is_a_component(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.jsonl", *rows(1.0, 1.0, target="cache"), components=("web",))

        world = RecordedWorld(path)

        assert [each.name for each in world.components] == ["web", "cache"]
        assert [(each.target, each.name) for each in world.probes] == [("cache", "http")]

    def test_an_anomaly_is_found_at_the_time_of_its_row(self, tmp_path: Path) -> None:
        good, bad = [1.0] * 30, [0.0] * 10
        path = written(tmp_path / "a.jsonl", *rows(*good, *bad, every_s=10.0))

        outcome = replayed(RecordedWorld(path))

        detected = [e.message for e in outcome.decisions if e.kind == "AnomalyDetected"]
        (first,) = detected[:1]
        assert isinstance(first, AnomalyDetected)
        assert first.detected_s % 10.0 == 0.0
        assert 310.0 <= first.detected_s <= 330.0

    def test_rows_after_a_long_silence_come_at_their_time(self, tmp_path: Path) -> None:
        early = rows(1.0, 1.0, 1.0)
        late = [Row(500.0 + number, "web", {"ok": 0.0}, "http") for number in range(10)]
        path = written(tmp_path / "a.jsonl", *early, *late)

        outcome = replayed(RecordedWorld(path))

        detected = [e.at_s for e in outcome.decisions if e.gist[:3] == _OK_IS_BAD]
        assert 500.0 <= min(detected) <= 503.0

    def test_an_action_that_nobody_took_then_succeeds_and_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "a.jsonl", *rows(*[0.0] * 60))

        outcome = replayed(RecordedWorld(path))

        first = next(
            each.message
            for each in outcome.decisions
            if isinstance(each.message, ActionFinished) and "restart" in each.message.action
        )
        assert (first.outcome, first.detail) == ("succeeded", "in a recording: nothing was done")
        assert all(case.outcome != "healed" for case in outcome.incidents)

    def test_faults_and_labels_say_what_was_true(self, tmp_path: Path) -> None:
        path = written(
            tmp_path / "a.jsonl",
            Fault(at_s=1.0, target="web", kind="crash"),
            Label(at_s=2.0, until_s=5.0, target="web", name="anomaly"),
            *rows(1.0),
        )

        assert RecordedWorld(path).contents.broken == (
            Broken(target="web", kind="crash", at_s=1.0),
            Broken(target="web", kind="anomaly", at_s=2.0, until_s=5.0),
        )

    def test_without_them_nobody_knows(self, tmp_path: Path) -> None:
        assert RecordedWorld(written(tmp_path / "a.jsonl", *rows(1.0))).contents.broken is None

    def test_damage_is_said(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.jsonl", *rows(1.0, 1.0))
        path.write_bytes(path.read_bytes() + b'{"k":"row","t":3')

        world = RecordedWorld(path)

        assert world.contents.notes[1:] == ("1 damaged places of the recording are left out",)
        assert replayed(world).incidents == ()


_OK_IS_BAD = ("AnomalyDetected", "web", "ok")
