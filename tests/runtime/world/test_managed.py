import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProcessSpec
from mendel.runtime.world.identity import identify

Make = Callable[..., Any]  # A fixture that makes what a test needs.

# A mendel that runs one component, restarts it again and again when told so, until it is killed.
MENDEL = """
import asyncio, pathlib, sys
from mendel.core.records import IntentRecord
from mendel.runtime.specs import ComponentSpec, ProcessSpec
from mendel.runtime.world import RealWorld
async def main():
    base = pathlib.Path(sys.argv[1])
    cart = ComponentSpec(name="cart", process=ProcessSpec(exec=tuple(sys.argv[3:])))
    async with RealWorld([cart], state=base / ".mendel", base=base) as world:
        intent = IntentRecord(intent="i", incident="i", target="cart", action="restart",
                              attempt=1, timeout_s=5.0, at_s=0.0)
        print("ready", flush=True)
        while sys.argv[2] == "idle":
            await asyncio.sleep(60)
        while True:
            await world.actions("cart")["restart"].run(intent)
asyncio.run(main())
"""


class TestActions:
    async def test_restart_replaces_the_process_and_says_so(
        self, a_world: Make, a_service: Make, an_intent: Make
    ) -> None:
        async with a_world(a_service("cart", "sleep", "911")) as world:
            restart = world.actions("cart")["restart"]
            former = restart.before()["pid"]

            result = await restart.run(an_intent())
            fresh = restart.before()["pid"]

        assert fresh != former
        assert (result.succeeded, result.detail) == (
            True,
            f"started process {fresh} (before: process {former})",
        )

    async def test_restart_of_a_crashed_one_says_how_it_ended(
        self, a_world: Make, a_service: Make, an_intent: Make, until: Make
    ) -> None:
        async with a_world(a_service()) as world:
            restart = world.actions("cart")["restart"]
            os.kill(restart.before()["pid"], signal.SIGKILL)
            await until(lambda: not restart.before()["pid"])

            result = await restart.run(an_intent())

        assert "(before: killed by SIGKILL after " in result.detail

    async def test_restart_of_a_stopped_one_does_not_wait_for_sigkill(
        self, a_world: Make, a_service: Make, an_intent: Make
    ) -> None:
        async with a_world(a_service("cart", "sleep", "912", stop_s=30.0)) as world:
            restart = world.actions("cart")["restart"]
            os.kill(restart.before()["pid"], signal.SIGSTOP)

            assert (await asyncio.wait_for(restart.run(an_intent()), 5.0)).succeeded

    async def test_workers_of_a_crashed_master_are_ended_before_the_next_one_starts(
        self, a_world: Make, a_service: Make, an_intent: Make, until: Make, living: Make
    ) -> None:
        async with a_world(a_service("cart", "sh", "-c", "sleep 913 & wait")) as world:
            restart = world.actions("cart")["restart"]
            await until(lambda: len(living("sleep 913")) == 2)
            os.kill(restart.before()["pid"], signal.SIGKILL)
            await until(lambda: not restart.before()["pid"])
            (orphan,) = living("sleep 913")

            await restart.run(an_intent())
            await until(lambda: len(living("sleep 913")) == 2)

            assert orphan not in living("sleep 913")

    async def test_stop_and_start(self, a_world: Make, an_intent: Make) -> None:
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "914")),
            actions={"stop": ActionSpec(process="stop"), "start": ActionSpec(process="start")},
        )
        details = []
        async with a_world(spec) as world:
            actions = world.actions("cart")
            first = actions["start"].before()["pid"]
            for name in ("start", "stop", "stop", "start"):
                details.append((await actions[name].run(an_intent(action=name))).detail)
            second = actions["start"].before()["pid"]

        assert details == [
            f"already runs as process {first}",
            f"stopped process {first}",
            "was not running",
            f"started process {second}",
        ]

    async def test_two_actions_at_once_take_turns(
        self, a_world: Make, a_service: Make, an_intent: Make, living: Make
    ) -> None:
        async with a_world(a_service("cart", "sleep", "915")) as world:
            restart = world.actions("cart")["restart"]

            results = await asyncio.gather(*(restart.run(an_intent()) for _ in range(4)))

            assert len(living("sleep 915")) == 1
        assert [result.succeeded for result in results] == [True] * 4
        assert len({result.detail for result in results}) == 4

    async def test_a_cancelled_restart_leaves_at_most_the_one_process(
        self, a_world: Make, a_service: Make, an_intent: Make, living: Make, until: Make
    ) -> None:
        stubborn = ("sh", "-c", "trap '' TERM; sleep 916; sleep 916")
        async with a_world(a_service("cart", *stubborn, stop_s=0.3)) as world:
            await until(lambda: len(living("sleep 916")) == 2)
            running = asyncio.ensure_future(world.actions("cart")["restart"].run(an_intent()))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert living("sleep 916") == []

    async def test_a_restart_that_takes_too_long_says_so(
        self, a_world: Make, an_intent: Make, living: Make, until: Make
    ) -> None:
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(
                exec=("sh", "-c", "trap '' TERM; sleep 917; sleep 917"), stop_s=0.3
            ),
            actions={"restart": ActionSpec(process="restart", timeout_s=0.05)},
        )
        async with a_world(spec) as world:
            await until(lambda: len(living("sleep 917")) == 2)

            result = await world.actions("cart")["restart"].run(an_intent())

        assert (result.succeeded, result.detail) == (False, "not done within 0.05 s")

    async def test_a_command_that_has_vanished_is_a_failed_restart(
        self, a_world: Make, a_service: Make, an_intent: Make, tmp_path: Path
    ) -> None:
        program = tmp_path / "service"
        program.symlink_to("/bin/sleep")
        async with a_world(a_service("cart", "./service", "600")) as world:
            program.unlink()

            result = await world.actions("cart")["restart"].run(an_intent())
            sample = world.probes[0].read()

        assert not result.succeeded
        assert result.detail == f"command '{program}' does not exist"
        assert (sample.metrics["alive"], sample.detail) == (0.0, result.detail)


class TestAfterACrashOfMendel:
    async def test_the_process_lives_on_writes_on_and_is_taken_over(
        self,
        a_world: Make,
        a_service: Make,
        an_intent: Make,
        crashed_mendel: Make,
        until: Make,
        tmp_path: Path,
    ) -> None:
        command = ("sh", "-c", "while :; do echo tick; sleep 0.01; done")
        pid = crashed_mendel(*command)
        log = tmp_path / ".mendel/logs/cart.log"
        size = log.stat().st_size
        await until(lambda: log.stat().st_size > size)

        async with a_world(a_service("cart", *command)) as world:
            restart = world.actions("cart")["restart"]
            taken_over = restart.before()["pid"]
            os.kill(pid, signal.SIGKILL)
            words = "ended; with what status only the mendel that started it could tell"
            await until(lambda: world.probes[0].read().detail == words)
            result = await restart.run(an_intent())

        assert taken_over == pid
        assert result.succeeded

    async def test_one_that_was_taken_over_is_stopped_like_any_other(
        self, a_world: Make, a_service: Make, crashed_mendel: Make, living: Make
    ) -> None:
        pid = crashed_mendel("sleep", "921")

        async with a_world(a_service("cart", "sleep", "921")):
            assert living("sleep 921") == [pid]

        assert living("sleep 921") == []

    @pytest.mark.parametrize(
        ("command", "settings"),
        [(("sleep", "922"), {"adopt": False}), (("sleep", "922.5"), {"adopt": True})],
        ids=["adopt is off", "the command has changed"],
    )
    async def test_otherwise_it_is_restarted(
        self,
        a_world: Make,
        a_service: Make,
        crashed_mendel: Make,
        living: Make,
        command: str,
        settings: dict[str, bool],
    ) -> None:
        pid = crashed_mendel("sleep", "922")

        async with a_world(a_service("cart", *command, **settings)):
            (fresh,) = living("sleep 922")

        assert fresh != pid

    async def test_what_is_left_of_a_group_whose_leader_died_meanwhile_is_ended(
        self, a_world: Make, a_service: Make, crashed_mendel: Make, until: Make, living: Make
    ) -> None:
        command = ("sh", "-c", "sleep 923 & wait")
        leader = crashed_mendel(*command)
        await until(lambda: len(living("sleep 923")) == 2)
        os.kill(leader, signal.SIGKILL)
        await until(lambda: len(living("sleep 923")) == 1)
        (orphan,) = living("sleep 923")

        async with a_world(a_service("cart", *command)):
            assert identify(orphan) is None

    async def test_one_that_was_started_but_not_yet_written_down_is_found_by_its_marker(
        self, a_world: Make, a_service: Make, crashed_mendel: Make, tmp_path: Path, living: Make
    ) -> None:
        pid = crashed_mendel("sleep", "924")
        path = tmp_path / ".mendel/processes.json"
        entries = json.loads(path.read_text())
        entries["cart"] |= {"pid": 0, "born": ""}
        path.write_text(json.dumps(entries))

        async with a_world(a_service("cart", "sleep", "924")):
            assert living("sleep 924") == [pid]

    async def test_a_number_that_passed_to_another_process_is_left_alone(
        self, a_world: Make, a_service: Make, tmp_path: Path, living: Make
    ) -> None:
        other = subprocess.Popen(["sleep", "925"], start_new_session=True)
        entry = {
            "marker": "m",
            "command": ["sleep", "926"],
            "started_utc": "",
            "pid": other.pid,
            "born": "a-boot/1",
        }
        (tmp_path / ".mendel").mkdir()
        (tmp_path / ".mendel/processes.json").write_text(json.dumps({"cart": entry}))

        try:
            async with a_world(a_service("cart", "sleep", "926")) as world:
                assert world.actions("cart")["restart"].before()["pid"] not in (0, other.pid)
            assert other.poll() is None
        finally:
            other.kill()
            other.wait()

    @pytest.mark.parametrize("seed", range(5))
    async def test_killed_at_any_moment_of_a_restart_it_leaves_nothing_that_is_not_found(
        self,
        a_world: Make,
        a_service: Make,
        an_intent: Make,
        crashed_mendel: Make,
        living: Make,
        tmp_path: Path,
        seed: int,
    ) -> None:
        command = ("sleep", f"93{seed}")
        living(" ".join(command))
        crashed_mendel(*command, after_s=random.Random(seed).uniform(0.001, 0.03))

        async with a_world(a_service("cart", *command)) as world:
            # The one that was found may just be ending; what nobody knows of would stay.
            assert len(living(" ".join(command))) <= 1
            restart = world.actions("cart")["restart"]
            await restart.run(an_intent())
            assert living(" ".join(command)) == [restart.before()["pid"]]

        assert living(" ".join(command)) == []


@pytest.fixture
def crashed_mendel(tmp_path: Path) -> Make:
    """Run a mendel and kill it; tells which process it has left, as far as it is written down.

    With ``after_s`` it restarts its component without a pause, and is killed after that time.
    """

    def crash(*command: str, after_s: float = 0.0) -> int:
        mode = "restarting" if after_s else "idle"
        mendel = subprocess.Popen(
            [sys.executable, "-c", MENDEL, str(tmp_path), mode, *command],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert mendel.stdout is not None
        assert mendel.stdout.readline() == "ready\n"
        try:
            mendel.wait(after_s)
        except subprocess.TimeoutExpired:
            mendel.kill()
        mendel.wait()
        mendel.stdout.close()
        return int(json.loads((tmp_path / ".mendel/processes.json").read_text())["cart"]["pid"])

    return crash
