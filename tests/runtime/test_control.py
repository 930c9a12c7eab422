from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from mendel.core.levels import Level
from mendel.errors import ConfigError, EnvironmentProblem, NotRunning, StoreError
from mendel.runtime.client import ControlClient, Refused
from mendel.runtime.control import ControlLimits, ControlServer
from mendel.runtime.leases import Lease, LeaseOutcome
from mendel.runtime.lineage import LineageView, lineage_view
from mendel.runtime.replays import ReplayView, ScenarioView
from mendel.runtime.telemetry.success import Success, success
from mendel.runtime.usage import ResourcesView
from mendel.runtime.views import (
    AgentView,
    AuditView,
    ComponentDetail,
    ComponentView,
    EventView,
    IncidentDetail,
    IncidentView,
    ReloadView,
    SignalsView,
    SystemView,
)

ME = pwd.getpwuid(os.getuid()).pw_name


def an_event(number: int, text: str = "") -> EventView:
    return EventView(
        id=number, utc=float(number), subject="probe.now.cart", type="X", message={"text": text}
    )


class Estate:
    """A small system: keeps what it was told and tells it on."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.events: list[EventView] = []
        self.followers: list[Callable[[Sequence[EventView]], None]] = []
        self.changed = asyncio.Event()
        self.hangs = False

    def happen(self, event: EventView) -> None:
        self.events.append(event)
        for follower in list(self.followers):
            follower([event])

    async def status(self) -> SystemView:
        cart = ComponentView(name="cart", kind="api", status="healthy", depends_on=("db",))
        return SystemView(
            pid=os.getpid(),
            version="1",
            config="mendel.toml",
            mode="act",
            status="healthy",
            uptime_s=1.5,
            components=(cart,),
            counters={"published": 3.0},
        )

    async def agents(self) -> Sequence[AgentView]:
        return [AgentView(name="monitor", kind="mendel:Monitor", state="running")]

    async def incidents(self, *, limit: int) -> Sequence[IncidentView]:
        raise ZeroDivisionError("a bug")

    async def pause(self, *, target: str, for_s: float, who: str, reason: str) -> None:
        if target == "*":
            raise StoreError("disk full")
        if target != "cart":
            raise ConfigError(f"unknown component {target!r}")
        self.log.append(("pause", target, for_s, who, reason))

    async def incident(self, *, incident: str) -> IncidentDetail:
        raise ConfigError(f"there is no incident {incident!r}")

    async def component(self, *, target: str) -> ComponentDetail:
        view = ComponentView(name=target, kind="api", status="healthy")
        return ComponentDetail(component=view, plan=(), actions=(), signals=SignalsView())

    async def audit(self, *, limit: int) -> AuditView:
        return AuditView(lines=(), whole=True)

    async def genomes(self, *, limit: int) -> LineageView:
        return lineage_view((), None, None)

    async def scenarios(self) -> Sequence[ScenarioView]:
        return ()

    async def replays(self) -> Sequence[ReplayView]:
        return ()

    async def replay(self, *, scenario: str, levels: tuple[Level, ...], seed: int) -> ReplayView:
        raise ConfigError(f"there is no scenario {scenario!r}")

    async def success(self, *, period_s: float) -> Success:
        return success((), 0.0, period_s)

    async def acquire(self, *, target: str, lease_s: float) -> Lease:
        self.log.append(("acquire", target, lease_s))
        return Lease(permitted=True, lease=f"{target}.1")

    async def release(self, *, lease: str, outcome: LeaseOutcome, duration_s: float) -> None:
        self.log.append(("release", lease, outcome, duration_s))

    async def resume(self, *, target: str, who: str, reason: str) -> None:
        self.log.append(("resume", target, who, reason))

    async def approve(self, *, approval: str, who: str, reason: str) -> None:
        self.log.append(("approve", approval, who, reason))

    async def heartbeat(self, *, target: str, metrics: dict[str, float]) -> None:
        self.log.append(("heartbeat", target, metrics))

    async def annotate(self, *, target: str, version: str, age_s: float, who: str) -> None:
        self.log.append(("annotate", target, version, age_s, who))

    async def resources(self) -> ResourcesView:
        raise NotImplementedError

    async def change_level(self, *, target: str, level: Level, who: str, reason: str) -> None:
        self.log.append(("change_level", target, level, who, reason))

    async def reload(self, *, who: str, reason: str) -> ReloadView:
        return ReloadView(taken=True)

    async def rollback(self, *, version: int, who: str, reason: str) -> ReloadView:
        return ReloadView(taken=True)

    async def stop(self, *, who: str) -> None:
        self.changed.set()
        if self.hangs:
            await asyncio.Event().wait()
        self.log.append(("stop", who))

    def recent_events(self, *, pattern: str, limit: int) -> Sequence[EventView]:
        return self.events[len(self.events) - limit :]

    def follow_events(
        self, *, pattern: str, callback: Callable[[Sequence[EventView]], None]
    ) -> Callable[[], None]:
        self.followers.append(callback)
        self.changed.set()

        def unfollow() -> None:
            self.followers.remove(callback)
            self.changed.set()

        return unfollow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def estate() -> Estate:
    return Estate()


@pytest_asyncio.fixture
async def server(path: Path, estate: Estate) -> AsyncIterator[ControlServer]:
    limits = ControlLimits(clients=2, line_bytes=2000, unread_bytes=50_000)
    async with ControlServer(path, estate, limits) as server:
        yield server


async def ask(path: Path, verb: str, **args: Any) -> Any:
    def call() -> Any:
        with ControlClient(path) as client:
            return client.ask(verb, object, **args)

    return await asyncio.to_thread(call)


async def say(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Replies to raw lines, until the server ends the connection or has answered all of them."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return [msgspec.json.decode(line) for line in answer.splitlines()]


class TestVerbs:
    async def test_the_view_of_the_system_arrives_whole(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        def call() -> SystemView:
            with ControlClient(path) as client:
                return client.ask("status", SystemView)

        assert await asyncio.to_thread(call) == await estate.status()

    async def test_wishes_are_signed_by_the_kernel_not_by_the_client(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        await ask(path, "pause", target="cart", for_s=600, reason="lunch")
        await ask(path, "resume", target="cart", reason="it is fixed")
        await ask(path, "approve", approval="a1")
        await ask(path, "heartbeat", target="cart", metrics={"queue": 3})
        await ask(path, "annotate", target="cart", version="1.4", age_s=60)
        await ask(path, "change_level", target="cart", level="basic", reason="it is quiet")
        await ask(path, "stop")
        with pytest.raises(Refused, match="heroic"):
            await ask(path, "change_level", target="cart", level="heroic")
        with pytest.raises(Refused, match="unknown field `who`"):
            await ask(path, "resume", target="cart", who="root")

        assert estate.log == [
            ("pause", "cart", 600.0, ME, "lunch"),
            ("resume", "cart", ME, "it is fixed"),
            ("approve", "a1", ME, ""),
            ("heartbeat", "cart", {"queue": 3.0}),
            ("annotate", "cart", "1.4", 60.0, ME),
            ("change_level", "cart", "basic", ME, "it is quiet"),
            ("stop", ME),
        ]

    async def test_what_the_system_refuses_is_told_with_its_reason(
        self, server: ControlServer, path: Path
    ) -> None:
        with pytest.raises(Refused, match="unknown component 'crat'") as caught:
            await ask(path, "pause", target="crat", for_s=1)

        assert caught.value.exit_code == 1
        with pytest.raises(Refused, match="disk full") as caught:
            await ask(path, "pause", target="*", for_s=1)
        assert caught.value.exit_code == 4

    async def test_a_bug_behind_a_verb_is_told_and_does_not_end_the_server(
        self, server: ControlServer, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(Refused, match="incidents failed: ZeroDivisionError: a bug") as caught:
            await ask(path, "incidents", limit=1)

        assert caught.value.exit_code == 70
        assert "verb incidents failed" in caplog.text
        assert await ask(path, "agents") != []


class TestEvents:
    async def test_the_newest_ones_come_first_and_then_those_that_happen(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        for number in range(5):
            estate.happen(an_event(number))

        def call() -> list[int]:
            with ControlClient(path) as client:
                events = client.events(pattern=">", limit=2, follow=True)
                return [next(events).id for _ in range(3)]

        following = asyncio.create_task(asyncio.to_thread(call))
        await estate.changed.wait()
        estate.happen(an_event(5))

        assert await following == [3, 4, 5]

    async def test_without_following_they_end(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        estate.happen(an_event(1))

        def call() -> list[EventView]:
            with ControlClient(path) as client:
                return list(client.events(pattern=">", limit=5, follow=False))

        assert await asyncio.to_thread(call) == [an_event(1)]

    async def test_who_leaves_is_not_followed_by_events(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"verb": "events", "args": {"follow": true}}\n')
        await reader.readline()
        assert len(estate.followers) == 1

        estate.changed.clear()
        writer.close()
        await estate.changed.wait()

        assert estate.followers == []

    async def test_following_twice_follows_once(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        line = b'{"verb": "events", "args": {"follow": true}}\n'
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line + line)
        await reader.readline()
        await reader.readline()

        assert len(estate.followers) == 1
        writer.close()

    async def test_who_reads_too_slowly_is_dropped_and_counted(
        self, server: ControlServer, estate: Estate, path: Path
    ) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"verb": "events", "args": {"follow": true}}\n')
        await reader.readline()

        # Never yielding to the loop, this client reads nothing; kernel buffers are some 200 kB.
        for number in range(100):
            estate.happen(an_event(number, "x" * 10_000))
        estate.changed.clear()
        await estate.changed.wait()

        assert estate.followers == []
        assert server.stats.dropped == 1
        assert await ask(path, "agents") != []
        writer.close()


class TestBadRequests:
    @pytest.mark.parametrize(
        ("line", "request_id", "message"),
        [
            (b"nonsense", None, "JSON is malformed"),
            (b"[1]", None, "Expected `object`"),
            (b'{"id": 1}', None, "missing required field `verb`"),
            (b'{"id": 1, "verb": "stauts"}', 1, "unknown verb 'stauts'; did you mean `status`?"),
            (b'{"id": "a", "verb": "pause"}', "a", "missing required field `target`"),
            (
                b'{"id": 2, "verb": "pause", "args": {"target": "cart", "for_s": -1}}',
                2,
                "Expected `float` > 0.0",
            ),
            (b'{"id": 3, "verb": "resume", "args": {"target": ""}}', 3, "length >= 1"),
            (b'{"id": 4, "verb": "status", "args": {"x": 1}}', 4, "unknown field `x`"),
            (b"\xff\xfe", None, "JSON is malformed"),
        ],
    )
    async def test_they_are_answered_and_the_connection_goes_on(
        self, server: ControlServer, path: Path, line: bytes, request_id: Any, message: str
    ) -> None:
        bad, good = await say(path, line + b"\n", b'\n{"id": 9, "verb": "agents"}\n')

        assert bad["id"] == request_id
        assert bad["error"]["exit_code"] == 2
        assert message in bad["error"]["message"]
        assert good["id"] == 9
        assert good["result"][0]["name"] == "monitor"
        assert (server.stats.malformed, server.stats.requests) == (1, 1)

    async def test_a_line_without_end_ends_its_connection_only(
        self, server: ControlServer, path: Path
    ) -> None:
        [reply] = await say(path, b"x" * 5000)

        assert reply["error"]["message"] == "bad request: a request has at most 2000 bytes"
        assert await ask(path, "agents") != []

    async def test_one_client_too_many_is_told_so(self, server: ControlServer, path: Path) -> None:
        others = []
        for _ in range(2):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"verb": "agents"}\n')
            await reader.readline()
            others.append(writer)

        with pytest.raises((Refused, NotRunning)):
            await ask(path, "agents")

        assert server.stats.refused == 1
        for writer in others:
            writer.close()


class TestTheFile:
    async def test_it_is_for_its_owner_alone(self, server: ControlServer, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async def test_it_goes_with_the_server_and_open_connections_end(
        self, path: Path, estate: Estate, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with ControlServer(path, estate):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"verb": "agents"}\n')
            await reader.readline()

        assert await reader.read() == b""
        assert not path.exists()
        assert caplog.records == []
        writer.close()

    async def test_one_that_waits_for_the_system_does_not_hold_up_the_end(
        self, path: Path, estate: Estate
    ) -> None:
        estate.hangs = True
        async with ControlServer(path, estate):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"verb": "stop"}\n')
            await estate.changed.wait()
        writer.close()

        assert estate.log == []

    async def test_one_that_another_process_made_meanwhile_stays(
        self, path: Path, estate: Estate
    ) -> None:
        async with ControlServer(path, estate):
            path.rename(path.with_suffix(".old"))
            path.write_text("another one's")

        assert path.read_text() == "another one's"

    async def test_a_second_runtime_is_told_who_runs(
        self, server: ControlServer, path: Path, estate: Estate
    ) -> None:
        with pytest.raises(EnvironmentProblem, match=rf"already running \(pid {os.getpid()}\)"):
            async with ControlServer(path, estate):
                raise AssertionError("not reached")

        assert await ask(path, "agents") != []

    async def test_that_of_a_killed_process_is_replaced(self, path: Path, estate: Estate) -> None:
        program = (
            "import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
            "print('up', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGKILL)
        assert path.is_socket()

        async with ControlServer(path, estate):
            assert await ask(path, "agents") != []

    async def test_what_is_no_socket_is_left_alone(self, path: Path, estate: Estate) -> None:
        path.write_text("precious")

        with pytest.raises(EnvironmentProblem, match="it is no socket"):
            async with ControlServer(path, estate):
                raise AssertionError("not reached")

        assert path.read_text() == "precious"

    async def test_a_path_that_is_too_long_is_told(self, tmp_path: Path, estate: Estate) -> None:
        with pytest.raises(EnvironmentProblem, match="longer than 107 bytes"):
            async with ControlServer(tmp_path / ("x" * 100), estate):
                raise AssertionError("not reached")

    async def test_a_missing_folder_is_told(self, tmp_path: Path, estate: Estate) -> None:
        with pytest.raises(EnvironmentProblem, match="No such file or directory"):
            async with ControlServer(tmp_path / "no" / "control.sock", estate):
                raise AssertionError("not reached")


class TestClientAlone:
    def test_nobody_there(self, path: Path) -> None:
        with pytest.raises(NotRunning, match="no runtime answers at"), ControlClient(path):
            raise AssertionError("not reached")

    def test_one_that_hangs_is_not_waited_for(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(path))
            silent.listen()
            with (
                ControlClient(path, timeout_s=0.05) as client,
                pytest.raises(NotRunning, match=r"has not answered for 0\.05 s"),
            ):
                client.ask("status", SystemView)

    def test_one_that_ends_in_the_middle_is_told(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            with ControlClient(path) as client:
                connection, _ = listener.accept()
                connection.sendall(b'{"id": 1, "res')
                connection.shutdown(socket.SHUT_RDWR)
                with pytest.raises(NotRunning, match="has ended"):
                    client.ask("status", SystemView)
                connection.close()
