import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mendel.errors import EnvironmentProblem
from mendel.runtime.world.child import Child, spawn
from mendel.runtime.world.identity import Identity, identify, look

Make = Callable[..., Any]  # A fixture that makes what a test needs.


def start(*command: str, cwd: Path = Path("/"), **env: str) -> Child:
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        return spawn(command, cwd=cwd, env={"PATH": os.environ["PATH"], **env}, output=sink)
    finally:
        os.close(sink)


class TestEnd:
    async def test_it_is_reaped_and_its_status_kept(self) -> None:
        child = start("sh", "-c", "exit 7")

        assert await child.ended == 7
        assert look(child.leader.pid) is None

    async def test_a_polite_process_ends_by_sigterm(self) -> None:
        child = start("sleep", "600")

        assert await child.end(patience_s=5.0)
        assert child.ended.result() == -signal.SIGTERM

    async def test_a_stubborn_one_ends_by_sigkill_with_all_it_forked(
        self, until: Make, living: Make
    ) -> None:
        child = start("sh", "-c", "trap '' TERM; sleep 811 & sleep 812; sleep 813")
        await until(lambda: len(living("sleep 81")) == 3)

        assert await child.end(patience_s=0.05)
        assert child.ended.result() == -signal.SIGKILL
        assert living("sleep 81") == []

    async def test_a_stopped_one_takes_sigterm_at_once(self) -> None:
        child = start("sleep", "600")
        os.kill(child.leader.pid, signal.SIGSTOP)

        assert await child.end(patience_s=5.0)
        assert child.ended.result() == -signal.SIGTERM

    async def test_workers_may_finish_after_their_master(
        self, tmp_path: Path, until: Make, living: Make
    ) -> None:
        # The master ends at once, its worker takes a moment to put things away.
        worker = "trap 'sleep 0.1; echo kept > done; exit' TERM; sleep 861 & wait"
        child = start("sh", "-c", f'sh -c "{worker}" & exec sleep 862', cwd=tmp_path)
        await until(lambda: len(living("sleep 86")) == 3)

        assert await child.end(patience_s=5.0)
        assert (tmp_path / "done").read_text() == "kept\n"

    async def test_what_is_left_of_a_group_whose_leader_crashed_is_found_and_ended(
        self, until: Make, living: Make
    ) -> None:
        child = start("sh", "-c", "sleep 821 & wait")
        await until(lambda: living("sleep 821"))
        os.kill(child.leader.pid, signal.SIGKILL)
        await child.ended
        assert look(child.leader.pid) is None  # Reaped; the number of the group is still taken.
        (left,) = living("sleep 821")

        assert await child.end(patience_s=5.0)
        assert identify(left) is None

    async def test_ending_what_has_ended_sends_no_signal(self) -> None:
        child = start("true")
        await child.ended

        assert not child.signal(signal.SIGKILL)
        assert await child.end(patience_s=5.0)


class TestRecognition:
    async def test_a_number_that_passed_to_another_process_is_not_signalled(self) -> None:
        other = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            former = Identity(other.pid, "an-earlier-boot/1")
            child = Child(former)

            assert child.ended.done()
            assert not child.signal(signal.SIGKILL)
            assert await child.end(patience_s=0.05)
            assert identify(other.pid) is not None
        finally:
            other.kill()
            other.wait()

    async def test_our_own_group_and_the_system_are_never_signalled(self) -> None:
        ours = os.getpgrp()
        for pid in (ours, 1, 0, -1):
            child = Child(identify(pid) or Identity(pid, ""))
            try:
                assert not child.signal(signal.SIGTERM)
            finally:
                child.let_go()

    async def test_one_taken_over_is_watched_though_it_is_not_our_child(self, until: Make) -> None:
        # Its parent is a shell that has ended, as a mendel would have.
        parent = subprocess.run(
            ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"],
            capture_output=True,
            text=True,
            check=True,
        )
        pid = int(parent.stdout)
        await until(lambda: (seen := look(pid)) and seen.group == pid)
        taken = identify(pid)
        assert taken is not None
        child = Child(taken)
        assert child.is_alive

        assert await child.end(patience_s=5.0)
        assert child.ended.result() is None

    async def test_without_a_descriptor_for_a_pidfd_the_end_is_found_by_looking(
        self, no_descriptors: Make
    ) -> None:
        process = subprocess.Popen(["sleep", "600"], start_new_session=True)
        identity = identify(process.pid)
        assert identity is not None
        with no_descriptors():
            child = Child(identity)
            assert not child.ended.done()
        process.kill()

        assert await asyncio.wait_for(child.ended, 5.0) is None
        process.wait()


class TestStarting:
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ("no-such-command-of-ours", "command 'no-such-command-of-ours' was not found"),
            ("./missing", r"command '.*missing' does not exist"),
            ("./plain", "command './plain' cannot be started: Permission denied"),
            ("./empty", "cannot be started: Exec format error"),
            ("./orphan", "the interpreter that its first line names does not exist"),
            ("a\0b", "cannot be started: embedded null byte"),
        ],
    )
    async def test_what_cannot_be_started_is_explained(
        self, tmp_path: Path, command: str, words: str
    ) -> None:
        for name, content, mode in (
            ("plain", "#!/bin/sh\n", 0o600),
            ("empty", "", 0o700),
            ("orphan", "#!/no/such/interpreter\n", 0o700),
        ):
            (tmp_path / name).write_text(content)
            (tmp_path / name).chmod(mode)

        with pytest.raises(EnvironmentProblem, match=words):
            start(command, cwd=tmp_path)

    async def test_a_missing_folder_is_not_taken_for_a_missing_command(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(EnvironmentProblem, match=r"folder .*nowhere' to run 'true' in"):
            start("true", cwd=tmp_path / "nowhere")

    async def test_the_remedy_names_the_path_that_was_searched(self) -> None:
        with pytest.raises(EnvironmentProblem) as caught:
            start("true", PATH="/nowhere")

        assert caught.value.remedy == "install it, or give its full path; PATH is /nowhere"
