import asyncio
import inspect
import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from mendel.agents.ports import Probe, Sample
from mendel.errors import ConfigError, EnvironmentProblem, NoData
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec, Secret

Make = Callable[..., Any]  # A fixture that makes what a test needs.


def pid_of(tmp_path: Path, name: str = "cart") -> int:
    return int(json.loads((tmp_path / ".mendel/processes.json").read_text())[name]["pid"])


class TestEntering:
    async def test_processes_are_started_dependencies_first(
        self, a_world: Make, a_service: Make, tmp_path: Path
    ) -> None:
        world = a_world(
            a_service("web", depends_on=("cart",)),
            a_service("cart", depends_on=("db",)),
            a_service("db"),
        )

        async with world:
            names = list(json.loads((tmp_path / ".mendel/processes.json").read_text()))

        assert names == ["db", "cart", "web"]

    async def test_a_cycle_of_dependencies_is_started_all_the_same(
        self, a_world: Make, a_service: Make, tmp_path: Path
    ) -> None:
        world = a_world(
            a_service("a", depends_on=("b",)),
            a_service("b", depends_on=("c", "a")),
            a_service("c", depends_on=("a",)),
        )

        async with world:
            names = list(json.loads((tmp_path / ".mendel/processes.json").read_text()))

        assert names == ["c", "b", "a"]

    async def test_a_component_that_cannot_start_does_not_keep_others_from_it(
        self, a_world: Make, a_service: Make, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = a_world(a_service("bad", "no-such-command-of-ours"), a_service("good"))

        async with world:
            bad, good = (probe.read() for probe in world.probes)

        assert bad.metrics == {"alive": 0.0, "stopped": 0.0}
        assert bad.detail == "command 'no-such-command-of-ours' was not found"
        assert good.metrics["alive"] == 1.0
        assert "PATH is" in caplog.text

    async def test_the_state_is_for_nobody_else_to_read(
        self, a_world: Make, a_service: Make, tmp_path: Path
    ) -> None:
        async with a_world(a_service()):
            modes = {
                name: stat.S_IMODE((tmp_path / ".mendel" / name).stat().st_mode)
                for name in (".", "logs", "logs/cart.log", "processes.json", "processes.lock")
            }

        assert modes == {
            ".": 0o700,
            "logs": 0o700,
            "logs/cart.log": 0o600,
            "processes.json": 0o600,
            "processes.lock": 0o600,
        }

    async def test_a_second_mendel_with_the_same_state_is_refused(
        self, a_world: Make, a_service: Make, tmp_path: Path
    ) -> None:
        async with a_world(a_service()):
            pid = pid_of(tmp_path)
            with pytest.raises(EnvironmentProblem, match="another mendel manages"):
                await a_world(a_service()).__aenter__()

            assert psutil.pid_exists(pid)

    async def test_a_state_folder_that_cannot_be_made_is_an_environment_problem(
        self, a_world: Make, tmp_path: Path
    ) -> None:
        (tmp_path / ".mendel").write_text("a file where the folder should be")

        with pytest.raises(EnvironmentProblem, match=r"state folder .* cannot be used"):
            await a_world().__aenter__()

    async def test_when_entering_is_cancelled_half_way_nothing_is_left(
        self, a_world: Make, a_service: Make, living: Make, until: Make
    ) -> None:
        stubborn = ("sh", "-c", "trap '' TERM; sleep 612; sleep 613")
        async with a_world(a_service("second", *stubborn, detach=True)):
            await until(lambda: living("sleep 612"))
        world = a_world(
            a_service("first", "sleep", "611"),
            a_service("second", *stubborn, adopt=False, stop_s=0.3),
        )
        entering = asyncio.ensure_future(world.__aenter__())
        await until(lambda: living("sleep 611"))
        entering.cancel()

        with pytest.raises(asyncio.CancelledError):
            await entering

        assert [living(word) for word in ("sleep 611", "sleep 612", "sleep 613")] == [[], [], []]

    async def test_secrets_reach_the_process_and_nothing_else(
        self, a_world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Make
    ) -> None:
        monkeypatch.setenv("TOKEN_OF_TEST", "s3cr3t-value")
        (tmp_path / "key").write_text("k3y-value\n")
        process = ProcessSpec(
            exec=("sh", "-c", 'echo "${#TOKEN}-${#KEY}-$PLAIN"; exec sleep 600'),
            env={
                "TOKEN": Secret(env="TOKEN_OF_TEST"),
                "KEY": Secret(file="key"),
                "PLAIN": "plain",
            },
        )
        world = a_world(ComponentSpec(name="cart", process=process))

        async with world:
            log = tmp_path / ".mendel/logs/cart.log"
            await until(lambda: log.read_text() == "12-9-plain\n")
            ledger = (tmp_path / ".mendel/processes.json").read_text()

        assert "s3cr3t" not in ledger
        assert "k3y" not in ledger
        assert "s3cr3t" not in repr(process)

    async def test_a_missing_secret_says_which_and_where(
        self, a_world: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TOKEN_OF_TEST", raising=False)
        process = ProcessSpec(exec=("sleep", "600"), env={"TOKEN": Secret(env="TOKEN_OF_TEST")})
        world = a_world(ComponentSpec(name="cart", process=process))

        async with world:
            detail = world.probes[0].read().detail

        assert detail == "'TOKEN': environment variable 'TOKEN_OF_TEST' is not set"


class TestLeaving:
    async def test_nothing_is_left_not_even_what_ignores_sigterm(
        self, a_world: Make, a_service: Make, living: Make, until: Make, tmp_path: Path
    ) -> None:
        stubborn = "trap '' TERM; echo ready; sleep 621 & while :; do sleep 622; done"
        world = a_world(
            a_service("stubborn", "sh", "-c", stubborn, stop_s=60.0),
            a_service("polite", "sleep", "623"),
        )
        async with world:
            log = tmp_path / ".mendel/logs/stubborn.log"
            await until(lambda: log.read_text() == "ready\n")
            left_s = time.monotonic()
        took_s = time.monotonic() - left_s

        assert took_s < 2.0
        assert living("sleep 62") == []
        assert json.loads((tmp_path / ".mendel/processes.json").read_text()) == {}

    async def test_a_detached_process_goes_on_and_is_taken_over_by_the_next_mendel(
        self, a_world: Make, a_service: Make, tmp_path: Path, living: Make
    ) -> None:
        async with a_world(a_service("cart", "sleep", "631", detach=True)):
            pid = pid_of(tmp_path)
        assert living("sleep 631") == [pid]

        async with a_world(a_service("cart", "sleep", "631")) as world:
            sample = world.probes[0].read()
            assert pid_of(tmp_path) == pid

        assert sample.metrics["alive"] == 1.0
        assert living("sleep 631") == []

    async def test_a_cancelled_leave_kills_at_once(
        self, a_world: Make, a_service: Make, living: Make, until: Make
    ) -> None:
        world = a_world(a_service("cart", "sh", "-c", "trap '' TERM; sleep 641; sleep 642"))
        await world.__aenter__()
        await until(lambda: living("sleep 641"))
        leaving = asyncio.ensure_future(world.__aexit__())
        await asyncio.sleep(0)
        leaving.cancel()

        with pytest.raises(asyncio.CancelledError):
            await leaving

        await until(lambda: not living("sleep 64"), within_s=0.5)

    async def test_an_action_that_comes_too_late_starts_nothing(
        self, a_world: Make, a_service: Make, an_intent: Make, living: Make
    ) -> None:
        world = a_world(a_service("cart", "sleep", "651"))
        async with world:
            restart = world.actions("cart")["restart"]

        result = await restart.run(an_intent())

        assert (result.succeeded, result.detail) == (False, "'cart' is not started: mendel stops")
        assert living("sleep 651") == []


class TestAssembly:
    async def test_a_process_gets_a_probe_and_a_restart(
        self, a_world: Make, a_service: Make
    ) -> None:
        world = a_world(a_service())

        (probe,) = world.probes
        (name,) = world.actions("cart")

        assert (probe.target, probe.name, probe.every_s) == ("cart", "process", 0.5)
        assert name == "restart"

    def test_own_probes_and_actions_replace_those(self, a_world: Make) -> None:
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "600")),
            probes=(ProbeSpec(process=True, every_s=3.0), ProbeSpec(tcp="127.0.0.1:1")),
            actions={"restart": ActionSpec(exec=("true",), settle_s=1.0)},
        )

        world = a_world(spec)

        assert [(probe.name, probe.every_s) for probe in world.probes] == [
            ("process", 3.0),
            ("tcp", 1.0),
        ]
        assert world.actions("cart")["restart"].settle_s == 1.0

    def test_probes_of_one_kind_have_names_of_their_own(self, a_world: Make) -> None:
        spec = ComponentSpec(
            name="cart",
            probes=(
                ProbeSpec(http="http://a/"),
                ProbeSpec(http="http://b/"),
                ProbeSpec(heartbeat_s=1.0),
            ),
        )

        assert [probe.name for probe in a_world(spec).probes] == ["http", "http-2", "heartbeat"]

    def test_no_target_has_no_actions(self, a_world: Make, a_service: Make) -> None:
        world = a_world(a_service())

        assert [dict(world.actions(target)) for target in ("", "*", "cart/1", "other")] == [{}] * 4

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            (ComponentSpec(name="c", probes=(ProbeSpec(process=True),)), "needs a process"),
            (ComponentSpec(name="c", probes=(ProbeSpec(process=False),)), "not false"),
            (ComponentSpec(name="c", probes=(ProbeSpec(tcp="nowhere"),)), "'nowhere' is not HOST"),
            (ComponentSpec(name="c", probes=(ProbeSpec(http="ftp://x"),)), "not a URL"),
            (
                ComponentSpec(name="c", probes=(ProbeSpec(http="http://x", match="("),)),
                "not a regular expression",
            ),
            (
                ComponentSpec(name="c", actions={"restart": ActionSpec(process="restart")}),
                "needs a process",
            ),
            (ComponentSpec(name="c", actions={"a": ActionSpec(webhook="/path")}), "not a URL"),
            (ComponentSpec(name="c", actions={"a": ActionSpec(notify="mail")}), "not a URL"),
            (
                ComponentSpec(name="c", actions={"a": ActionSpec(webhook="http://[x")}),
                "not a URL",
            ),
        ],
    )
    def test_what_cannot_be_made_is_refused_at_once(
        self, a_world: Make, spec: ComponentSpec, words: str
    ) -> None:
        with pytest.raises(ConfigError, match=words):
            a_world(spec)

    def test_aiohttp_is_loaded_only_when_a_url_is_configured(self) -> None:
        program = (
            "import asyncio, sys, pathlib, tempfile\n"
            "from mendel.runtime.world import RealWorld\n"
            "from mendel.runtime.specs import *\n"
            "async def main(spec):\n"
            "    state = pathlib.Path(tempfile.mkdtemp())\n"
            "    async with RealWorld([spec], state=state, base=state):\n"
            "        print('aiohttp' in sys.modules)\n"
            "asyncio.run(main(ComponentSpec(name='a', probes=(ProbeSpec(tcp='x:1'),))))\n"
            "asyncio.run(main(ComponentSpec(name='a', probes=(ProbeSpec(http='http://x'),))))\n"
        )

        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

        assert (done.stdout, done.stderr) == ("False\nTrue\n", "")


class TestLogs:
    async def test_the_log_stays_bounded_while_the_process_writes_on(
        self, a_world: Make, a_service: Make, tmp_path: Path, until: Make
    ) -> None:
        chatty = "i=0; while :; do i=$((i+1)); echo line-$i-of-a-long-story; sleep 0.001; done"
        world = a_world(a_service("cart", "sh", "-c", chatty, log_bytes=4096))
        log = tmp_path / ".mendel/logs/cart.log"

        async with world:
            former = log.with_name("cart.log.1")
            await until(lambda: former.exists() and former.stat().st_size > 4000, within_s=10.0)
            previous = former.read_text()
            await until(lambda: log.stat().st_size > 200)
            fresh = log.read_text()

        assert previous.splitlines()[-1].startswith("line-")
        # The first thing in the cut file is the line that came next: nothing but text, no hole.
        assert fresh.startswith("line-")

    async def test_a_log_that_cannot_be_written_keeps_nothing_from_starting(
        self, a_world: Make, a_service: Make, tmp_path: Path
    ) -> None:
        (tmp_path / ".mendel/logs/cart.log").mkdir(parents=True)

        async with a_world(a_service()) as world:
            assert world.probes[0].read().metrics["alive"] == 1.0


class TestHeartbeats:
    async def test_a_heartbeat_reaches_the_probe_of_its_target_and_strays_are_counted(
        self, a_world: Make
    ) -> None:
        world = a_world(ComponentSpec(name="cart", probes=(ProbeSpec(heartbeat_s=60.0),)))

        world.heartbeat("cart", {"queue": 3.0})
        world.heartbeat("nobody", {"queue": 4.0})

        assert world.probes[0].read().metrics == {"queue": 3.0, "answered": 1.0}
        assert world.stray_heartbeats == 1


class TestWhenMendelItselfRunsShort:
    async def test_nobody_is_called_dead_for_lack_of_our_own_descriptors(
        self, a_world: Make, serve: Make, http: Make, no_descriptors: Make
    ) -> None:
        port = await serve(http())
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "600")),
            probes=(
                ProbeSpec(process=True),
                ProbeSpec(http=f"http://127.0.0.1:{port}/"),
                ProbeSpec(tcp=f"127.0.0.1:{port}"),
                ProbeSpec(exec=("true",)),
            ),
        )
        async with a_world(spec) as world:
            with no_descriptors():
                missing = [await look(probe) for probe in world.probes]
            found = [await look(probe) for probe in world.probes]

        assert [type(each) for each in missing] == [NoData] * 4
        assert [type(each) for each in found] == [Sample] * 4

    async def test_a_restart_fails_and_works_again_later(
        self, a_world: Make, a_service: Make, an_intent: Make, no_descriptors: Make, living: Make
    ) -> None:
        async with a_world(a_service("cart", "sleep", "661")) as world:
            restart = world.actions("cart")["restart"]
            with no_descriptors():
                failed = await restart.run(an_intent())
            worked = await restart.run(an_intent())
            assert len(living("sleep 661")) == 1

        assert (failed.succeeded, worked.succeeded) == (False, True)
        assert "Too many open files" in failed.detail


async def look(probe: Probe) -> Sample | NoData:
    try:
        seen = probe.read()
        return await seen if inspect.isawaitable(seen) else seen
    except NoData as missing:
        return missing
