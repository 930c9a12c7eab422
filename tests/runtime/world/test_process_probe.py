import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mendel.agents.ports import Sample
from mendel.errors import NoData
from mendel.runtime.specs import ComponentSpec, ProbeSpec
from mendel.runtime.world.identity import identify
from mendel.runtime.world.process_probe import ProcessProbe

Make = Callable[..., Any]  # A fixture that makes what a test needs.


class TestManaged:
    async def test_a_running_process_is_measured(
        self, a_world: Make, a_service: Make, until: Make
    ) -> None:
        async with a_world(a_service()) as world:
            probe = world.probes[0]
            first, second = probe.read(), probe.read()
            await until(lambda: probe.read().metrics["memory_bytes"] > 100_000)

        assert set(first.metrics) == {"alive", "stopped", "memory_bytes", "descriptors"}
        assert set(second.metrics) - set(first.metrics) == {"cpu_share"}
        assert (second.metrics["alive"], second.metrics["stopped"]) == (1.0, 0.0)
        assert second.metrics["descriptors"] == 3.0  # Input, output, errors: none of ours leaked.

    async def test_children_count(
        self, a_world: Make, a_service: Make, until: Make, living: Make
    ) -> None:
        async with a_world(a_service("cart", "sh", "-c", "sleep 731 & sleep 732")) as world:
            await until(lambda: len(living("sleep 73")) >= 3)  # The shell has both words.
            sample = world.probes[0].read()

        assert sample.metrics["descriptors"] == 9.0

    async def test_work_is_seen_as_a_share_of_a_core(
        self, a_world: Make, a_service: Make, until: Make
    ) -> None:
        async with a_world(a_service("cart", "sh", "-c", "while :; do :; done")) as world:
            probe = world.probes[0]
            probe.read()
            await until(lambda: probe.read().metrics["cpu_share"] > 0.1)

    async def test_a_stopped_process_is_alive_and_stopped(
        self, a_world: Make, a_service: Make, until: Make
    ) -> None:
        async with a_world(a_service()) as world:
            probe = world.probes[0]
            os.kill(pid_of(probe), signal.SIGSTOP)
            await until(lambda: probe.read().metrics["stopped"])

            sample = probe.read()

        assert sample.metrics["alive"] == 1.0
        assert sample.detail == "stopped by a signal"

    @pytest.mark.parametrize(
        ("script", "words"),
        [("exit 3", "exited with status 3 after "), ("kill -KILL $$", "killed by SIGKILL after ")],
    )
    async def test_how_it_ended_is_told(
        self, a_world: Make, a_service: Make, until: Make, script: str, words: str
    ) -> None:
        async with a_world(a_service("cart", "sh", "-c", script)) as world:
            probe = world.probes[0]
            await until(lambda: not probe.read().metrics["alive"])
            await until(lambda: probe.read().detail.startswith(words))

            assert probe.read().metrics == {"alive": 0.0, "stopped": 0.0}

    async def test_a_crash_is_seen_before_the_loop_has_reaped_it(
        self, a_world: Make, a_service: Make
    ) -> None:
        async with a_world(a_service()) as world:
            probe = world.probes[0]
            pid = pid_of(probe)
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 5.0
            while identify(pid) is not None and time.monotonic() < deadline:
                pass  # The loop does not run meanwhile: the process stays a zombie.

            sample = probe.read()

        assert (sample.metrics, sample.detail) == (
            {"alive": 0.0, "stopped": 0.0},
            "has just ended",
        )

    async def test_a_process_that_ends_between_finding_and_looking_is_not_alive(self) -> None:
        child = subprocess.Popen(["sleep", "600"])
        found = identify(child.pid)
        child.kill()
        child.wait()
        probe = ProcessProbe("cart", "process", ProbeSpec(process=True), lambda: (found, ""))

        assert probe.read() == Sample(
            {"alive": 0.0, "stopped": 0.0}, f"process {child.pid} has ended"
        )


class TestPidFile:
    async def test_the_process_that_it_names_is_measured(
        self, a_world: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "cart.pid").write_text(f"{os.getpid()}\n")

        assert read(a_world).metrics["alive"] == 1.0

    async def test_without_the_file_or_the_process_there_is_none(
        self, a_world: Make, tmp_path: Path
    ) -> None:
        assert read(a_world).detail.startswith("there is no pid file")

        ended = subprocess.Popen(["true"])
        ended.wait()
        (tmp_path / "cart.pid").write_text(str(ended.pid))
        sample = read(a_world)

        assert sample.metrics == {"alive": 0.0, "stopped": 0.0}
        assert f"process {ended.pid} of pid file" in sample.detail

    async def test_a_zombie_is_not_alive(self, a_world: Make, tmp_path: Path, until: Make) -> None:
        zombie = subprocess.Popen(["true"])
        (tmp_path / "cart.pid").write_text(str(zombie.pid))
        await until(lambda: identify(zombie.pid) is None)

        sample = read(a_world)
        zombie.wait()

        assert sample.metrics["alive"] == 0.0
        assert "is a zombie" in sample.detail

    async def test_a_number_that_another_program_has_inherited_is_not_believed(
        self, a_world: Make, tmp_path: Path
    ) -> None:
        pid_file = tmp_path / "cart.pid"
        pid_file.write_text(str(os.getpid()))
        os.utime(pid_file, (0, 0))

        sample = read(a_world)

        assert sample.metrics["alive"] == 0.0
        assert "is younger than pid file" in sample.detail

    @pytest.mark.parametrize("content", ["", "abc", "1", "-5", "0"])
    async def test_nonsense_is_no_data(self, a_world: Make, tmp_path: Path, content: str) -> None:
        (tmp_path / "cart.pid").write_text(content)

        with pytest.raises(NoData, match="does not hold the number of a process"):
            read(a_world)

    async def test_a_file_that_cannot_be_read_is_no_data(
        self, a_world: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "cart.pid").mkdir()

        with pytest.raises(NoData, match="cannot be read: Is a directory"):
            read(a_world)


def read(a_world: Make) -> Sample:
    spec = ComponentSpec(name="cart", probes=(ProbeSpec(process="cart.pid"),))
    sample: Sample = a_world(spec).probes[0].read()
    return sample


def pid_of(probe: ProcessProbe) -> int:
    identity, _ = probe._find()
    assert identity is not None
    return identity.pid
