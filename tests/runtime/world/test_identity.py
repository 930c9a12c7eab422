import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.world.identity import (
    Identity,
    identify,
    is_alive,
    look,
    look_portably,
    marked,
    members,
)

Make = Callable[..., Any]  # A fixture that makes what a test needs.


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["sleep", "600"], start_new_session=True, env={**os.environ, "MARK_OF_TEST": "yes"}
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("see", [look, look_portably])
class TestLook:
    def test_a_process_is_the_same_at_each_look_and_differs_from_others(
        self, see: Make, sleeper: subprocess.Popen[bytes]
    ) -> None:
        first, second, other = see(sleeper.pid), see(sleeper.pid), see(os.getpid())

        assert first == second
        assert first.identity.born != other.identity.born
        assert (first.group, first.is_over) == (sleeper.pid, False)

    def test_a_zombie_is_over_and_a_reaped_one_is_nobody(
        self, see: Make, sleeper: subprocess.Popen[bytes]
    ) -> None:
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        seen = see(sleeper.pid)
        sleeper.wait()

        assert seen.is_over
        assert see(sleeper.pid) is None

    @pytest.mark.parametrize("number", [-1, 2**22 + 1, 2**70])
    def test_a_number_that_no_process_can_have_is_nobody(self, see: Make, number: int) -> None:
        assert see(number) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "600"], start_new_session=True)
    try:
        seen = look(process.pid)
    finally:
        process.kill()
        process.wait()

    assert seen is not None
    assert seen.group == process.pid


def test_a_later_process_of_the_same_number_is_another_one(
    sleeper: subprocess.Popen[bytes],
) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None

    assert is_alive(identity)
    assert not is_alive(Identity(sleeper.pid, identity.born + "0"))


def test_members_of_a_group_are_found_without_zombies(until: Make) -> None:
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!; sleep 600"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    first = int(shell.stdout.readline())
    found = {each.pid for each in members(shell.pid)}
    os.killpg(shell.pid, 9)
    os.waitid(os.P_PID, shell.pid, os.WEXITED | os.WNOWAIT)
    left = [each.pid for each in members(shell.pid) if each.pid == shell.pid]
    shell.wait()
    shell.stdout.close()

    assert {shell.pid, first} <= found
    assert left == []


async def test_what_was_started_with_a_mark_is_found_again(
    sleeper: subprocess.Popen[bytes], until: Make
) -> None:
    await until(lambda: marked("MARK_OF_TEST", "yes") == [identify(sleeper.pid)])

    assert marked("MARK_OF_TEST", "no") == []
