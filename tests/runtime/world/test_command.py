import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.world.command import (
    OUTPUT_BYTES,
    Finished,
    describe_status,
    last_line,
    run_command,
)

Make = Callable[..., Any]  # A fixture that makes what a test needs.


async def run(script: str, *, timeout_s: float = 5.0, keep_background: bool = False) -> Finished:
    return await run_command(
        ("sh", "-c", script),
        cwd=Path("/"),
        env=os.environ,
        timeout_s=timeout_s,
        keep_background=keep_background,
    )


async def test_output_and_errors_are_kept_in_order() -> None:
    end = await run("echo one; echo two >&2; echo three; exit 2")

    assert (end.status, end.output) == (2, "one\ntwo\nthree\n")
    assert end.detail == "exited with status 2: three"


async def test_of_a_flood_only_the_last_whole_lines_are_kept() -> None:
    end = await run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line-$i; done")

    lines = end.output.splitlines()
    assert len(end.output) <= OUTPUT_BYTES
    assert lines[-1] == "line-20000"
    assert lines == [f"line-{20001 - count}" for count in range(len(lines), 0, -1)]


async def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert (await run(r"printf 'a\377b\n'")).output == "a\ufffdb\n"


async def test_what_goes_on_in_the_background_is_kept_when_asked_and_ended_otherwise(
    living: Make, until: Make
) -> None:
    end = await run("sleep 831 & echo started", keep_background=True)
    assert (end.status, end.output) == (0, "started\n")
    assert len(living("sleep 831")) == 1

    await run("sleep 832 & echo started", keep_background=False)
    assert living("sleep 832") == []


async def test_a_background_process_that_holds_the_output_does_not_delay_the_end() -> None:
    end = await run("(while :; do echo noise; done) & sleep 0.05; exit 3")

    assert end.status == 3
    assert end.duration_s < 2.0


@pytest.mark.parametrize("keep_background", [True, False])
async def test_when_it_takes_too_long_grandchildren_die_too(
    living: Make, keep_background: bool
) -> None:
    end = await run(
        "sh -c 'sleep 841 & sleep 842' & echo last words; sleep 843",
        timeout_s=0.1,
        keep_background=keep_background,
    )

    assert end.status is None
    assert end.detail.endswith("s: last words")
    assert living("sleep 84") == []


async def test_when_the_waiting_is_cancelled_grandchildren_die_too(
    living: Make, until: Make
) -> None:
    running = asyncio.ensure_future(run("sh -c 'sleep 851 & sleep 852' & sleep 853"))
    await until(lambda: len(living("sleep 85")) >= 3)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running

    await until(lambda: not living("sleep 85"), within_s=0.5)


async def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        await run("echo x")
    with pytest.raises(Exception, match="not found"):
        await run_command(("no-such-command",), cwd=Path("/"), env=os.environ, timeout_s=1.0)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_statuses_in_words() -> None:
    assert [describe_status(status) for status in (0, 1, -9, -15, -60)] == [
        "exited with status 0",
        "exited with status 1",
        "killed by SIGKILL",
        "killed by SIGTERM",
        "killed by signal 60",
    ]


def test_the_last_line_is_one_that_says_something_and_is_short() -> None:
    assert last_line("first\n  second  \n\n \n") == "second"
    assert last_line("\n") == ""
    assert len(last_line("x" * 1000)) == 200
