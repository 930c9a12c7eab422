"""The whole door: a real runtime, a real server, real requests over loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from mendel import guard
from mendel.agents.guards.registry import forget
from mendel.bus.messages import Message, message_types
from mendel.errors import ConfigError, EnvironmentProblem
from mendel.runtime.config import load
from mendel.runtime.door import WebConfig
from mendel.runtime.launch import launch
from mendel.runtime.leases import Lease
from mendel.runtime.system import System
from mendel.runtime.views import AuditView, ComponentDetail, SystemView
from mendel.runtime.web.openapi import describe
from mendel.runtime.web.routes import ROUTES
from mendel.runtime.web.token import NAME, link, token_of

CONFIG = """\
[web]
port = 0
streams = 12

[[components]]
name = "cart"
kind = "api"
depends_on = ["db"]
probes = [{ heartbeat = "60s" }]

[[components]]
name = "db"
kind = "database"
probes = [{ heartbeat = "60s" }]
actions = { restart = { exec = ["true"] } }
"""


class Door:
    """A client of the server, with the token if it is to have it."""

    def __init__(self, system: System, session: aiohttp.ClientSession, token: str) -> None:
        self.system = system
        self.session = session
        self.token = token

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(self.system.url + path, headers=headers) as response:
            return response.status, json.loads(await response.read())

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        url = self.system.url + path
        async with self.session.post(url, data=data, headers=headers) as response:
            return response.status, json.loads(await response.read())

    async def read(self, path: str, kind: type[Any]) -> Any:
        status, answer = await self.get(path)
        assert status == 200, answer
        return msgspec.convert(answer, kind)


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    (tmp_path / "mendel.toml").write_text(CONFIG)
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(launch(tmp_path / "mendel.toml"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Door(system, session, token_of(tmp_path / ".mendel"))


async def until(found: Any) -> None:
    """Wait until something holds; the test's own timeout is the bound."""
    while not await found():
        await asyncio.sleep(0.01)


class TestReading:
    async def test_the_status_is_that_of_the_command_line(self, door: Door) -> None:
        view = await door.read("/v1/status", SystemView)

        assert [each.name for each in view.components] == ["cart", "db"]
        assert view.components[0].depends_on == ("db",)
        assert view.url == door.system.url

    async def test_one_component_closely(self, door: Door) -> None:
        await door.post("/v1/readings", {"target": "db", "metrics": {"connections": 7.0}})

        async def seen() -> bool:
            detail = await door.read("/v1/components/db", ComponentDetail)
            return bool(detail.signals.times_utc)

        await until(seen)
        detail = await door.read("/v1/components/db", ComponentDetail)
        assert detail.signals.metrics["connections"][-1] == 7.0
        assert detail.plan == detail.actions == ("restart",)

    async def test_agents_and_incidents(self, door: Door) -> None:
        status, agents = await door.get("/v1/agents")
        assert status == 200
        assert {"monitor", "coordinator", "recovery", "breaker"} <= {
            each["name"] for each in agents
        }
        assert await door.get("/v1/incidents?limit=5") == (200, [])

    @pytest.mark.parametrize(
        ("path", "status", "detail"),
        [
            ("/v1/components/crat", 404, "there is no component 'crat'"),
            ("/v1/incidents/9-9", 404, "there is no incident '9-9'"),
            ("/v1/incidents?limit=x", 400, "Expected `int`, got `str` - at `$.limit`"),
            ("/v1/incidents?limit=-1", 400, "Expected `int` >= 0 - at `$.limit`"),
            ("/v1/incidents?last=3", 400, "unknown field `last`"),
            ("/v1/components/cart?target=db", 400, "target stands in the path"),
            ("/v1/events?limit=many", 400, "'many' is no whole number from 0 to 1000"),
            ("/v1/nothing", 404, "GET /v1/nothing"),
            ("/../mendel.toml", 404, "GET /mendel.toml"),
            ("/vendor/..%2f..%2fserver.py", 404, ""),
        ],
    )
    async def test_what_cannot_be_told_is_a_problem_that_says_why(
        self, door: Door, path: str, status: int, detail: str
    ) -> None:
        found, problem = await door.get(path)

        assert found == status
        assert problem["status"] == status
        assert detail in problem["detail"]


class TestSteering:
    async def test_a_pause_is_in_force_and_on_record_with_who_and_why(self, door: Door) -> None:
        wish = {"for_s": 600.0, "reason": "new disk"}
        status, _ = await door.post("/v1/components/cart/pause", wish, **{"Mendel-User": "ann"})
        assert status == 200

        async def paused() -> bool:
            view = await door.read("/v1/status", SystemView)
            return bool(view.components[0].paused_s > 599.0)

        async def on_record() -> bool:
            audit = await door.read("/v1/audit", AuditView)
            found = [each for each in audit.lines if each.kind == "target_paused"]
            return audit.whole and any(
                (each.who, each.target, each.detail["reason"]) == ("ann (web)", "cart", "new disk")
                for each in found
            )

        await until(paused)
        await until(on_record)

        assert (await door.post("/v1/components/cart/resume", {"reason": "done"}))[0] == 200

        async def resumed() -> bool:
            view = await door.read("/v1/status", SystemView)
            return bool(view.components[0].paused_s == 0.0)

        await until(resumed)

    @pytest.mark.parametrize(
        ("path", "body", "status", "detail"),
        [
            ("/v1/components/cart/pause", {}, 400, "missing required field `for_s`"),
            ("/v1/components/cart/pause", {"for_s": -1}, 400, "Expected `float` > 0"),
            ("/v1/components/cart/pause", {"for_s": 1, "who": "root"}, 400, "unknown field `who`"),
            ("/v1/components/cart/pause", b"{", 400, "the body is no JSON object"),
            ("/v1/components/cart/pause", b"[]", 400, "the body is no JSON object"),
            ("/v1/components/nobody/pause", {"for_s": 1}, 404, "no component 'nobody'"),
            ("/v1/approvals/1-1.1.restart", {}, 404, "nothing waits for approval"),
            ("/v1/guard/nothing/acquire", {}, 404, "no guard of 'nothing'"),
            ("/v1/readings", {"target": "cart", "metrics": {"a": "b"}}, 400, "Expected `float`"),
            ("/v1/readings", b"x" * 70_000, 413, ""),
            ("/v1/status", {}, 405, ""),
        ],
    )
    async def test_a_mistake_changes_nothing_and_says_what_is_wrong(
        self, door: Door, path: str, body: object, status: int, detail: str
    ) -> None:
        found, problem = await door.post(path, body)

        assert found == status
        assert detail in problem["detail"]

    async def test_a_name_that_is_a_letter_is_refused(self, door: Door) -> None:
        status, problem = await door.post(
            "/v1/components/cart/resume", {}, **{"Mendel-User": "x" * 65}
        )

        assert status == 400
        assert "at most 64" in problem["detail"]

    async def test_a_call_is_guarded_for_a_program_of_another_language(self, door: Door) -> None:
        guard("web-db")
        try:
            status, answer = await door.post("/v1/guard/web-db/acquire", {"lease_s": 5.0})
            lease = msgspec.convert(answer, Lease)
            assert (status, lease.permitted) == (200, True)

            back = {"lease": lease.lease, "outcome": "success", "duration_s": 0.2}
            assert await door.post("/v1/guard/release", back) == (200, None)
            assert (await door.post("/v1/guard/release", back))[0] == 404
        finally:
            forget("web-db")


class TestReplays:
    async def test_a_scenario_is_replayed_beside_the_runtime(self, door: Door) -> None:
        status, scenarios = await door.get("/v1/scenarios")
        assert status == 200
        assert "crash" in [each["name"] for each in scenarios]
        wish = {"scenario": "spike", "levels": ["basic"], "seed": 3}
        status, begun = await door.post("/v1/replays", wish)
        assert (status, begun["state"]) == (200, "running")
        status, problem = await door.post("/v1/replays", wish)
        assert (status, problem["detail"]) == (409, "another replay runs; one at a time")

        async def over() -> bool:
            _, (only,) = await door.get("/v1/replays")
            return bool(only["state"] != "running")

        await until(over)
        _, (done,) = await door.get("/v1/replays")
        assert (done["state"], done["problem"]) == ("done", "")
        assert [row["level"] for row in done["rows"]] == ["basic"]
        async with door.session.get(f"{door.system.url}/v1/replays/1/report") as report:
            assert "sandbox" in report.headers["Content-Security-Policy"]
            assert "spike" in await report.text()

    async def test_what_there_is_not_cannot_be_replayed(self, door: Door) -> None:
        status, problem = await door.post("/v1/replays", {"scenario": "crahs"})
        assert status == 404
        assert "did you mean `crash`?" in problem["detail"]
        assert (await door.get("/v1/replays/7/report"))[0] == 404
        assert (await door.post("/v1/replays", {"scenario": "crash", "levels": ["x"]}))[0] == 400

    async def test_one_that_runs_ends_with_the_runtime(self, tmp_path: Path) -> None:
        (tmp_path / "mendel.toml").write_text(CONFIG)
        async with AsyncExitStack() as stack:
            system = await stack.enter_async_context(launch(tmp_path / "mendel.toml"))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            door = Door(system, session, token_of(tmp_path / ".mendel"))
            assert (await door.post("/v1/replays", {"scenario": "crash"}))[0] == 200
            async with asyncio.timeout(2.0):
                await stack.aclose()


class TestStrangers:
    async def test_no_token_no_change(self, door: Door) -> None:
        status, problem = await door.post(
            "/v1/components/cart/pause", {"for_s": 60.0}, Authorization=""
        )

        assert status == 401
        assert "mendel web token" in problem["detail"]
        view = await door.read("/v1/status", SystemView)
        assert view.components[0].paused_s == 0.0

    async def test_another_name_or_page_gets_nothing(self, door: Door) -> None:
        assert (await door.get("/v1/status", Host="evil.example"))[0] == 421
        assert (await door.get("/v1/status", Origin="https://evil.example"))[0] == 403
        assert (await door.get("/", Host="evil.example"))[0] == 421
        assert (await door.get("/nothing", Host="evil.example"))[0] == 421

    async def test_every_answer_has_the_strict_headers(self, door: Door) -> None:
        for path in ("/", "/v1/status", "/nothing", "/vendor/uplot.js"):
            async with door.session.get(door.system.url + path) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"


class TestPage:
    async def test_it_is_served_packed_and_not_twice(self, door: Door) -> None:
        url = door.system.url + "/app.js"
        async with door.session.get(url, headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.content_type == "text/javascript"
            tag = response.headers["ETag"]
        async with door.session.get(url, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
            assert await response.read() == b""

    async def test_nothing_of_it_comes_from_elsewhere(self, door: Door) -> None:
        root = resources.files("mendel.runtime.web") / "static"
        own = [each for each in root.iterdir() if each.name.endswith((".html", ".js", ".css"))]

        for each in own:
            text = each.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text, each.name
            assert "https://" not in text, each.name
            assert "innerHTML" not in text, each.name

    def test_vendored_files_are_what_they_are_said_to_be(self) -> None:
        vendor = resources.files("mendel.runtime.web") / "static" / "vendor"
        told = (vendor / "VENDORED.txt").read_text("utf-8")

        for each in vendor.iterdir():
            if each.name != "VENDORED.txt":
                assert each.name in told
                assert hashlib.sha256(each.read_bytes()).hexdigest() in told, each.name


class TestStreams:
    async def test_events_come_as_they_happen(self, door: Door) -> None:
        url = door.system.url + "/v1/events?pattern=system.pause.target&limit=0"
        async with door.session.get(url) as response:
            assert response.content_type == "text/event-stream"
            await door.post("/v1/components/db/pause", {"for_s": 60.0, "reason": "why not"})
            async for line in response.content:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    break

        assert event["type"] == "PauseTarget"
        assert event["message"]["reason"] == "why not"

    async def test_the_page_gets_everything_and_then_what_changes(self, door: Door) -> None:
        async with door.session.get(door.system.url + "/v1/stream") as response:
            lines = (line async for line in response.content)
            snapshot = await _next(lines)
            await door.post("/v1/components/db/pause", {"for_s": 60.0})
            change = await _next(lines)
            while not change.get("components"):
                change = await _next(lines)

        assert [each["name"] for each in snapshot["components"]] == ["cart", "db"]
        assert snapshot["places"] == [
            {"name": "cart", "column": 0, "row": 0},
            {"name": "db", "column": 1, "row": 0},
        ]
        assert change["components"][0]["name"] == "db"
        assert change["components"][0]["paused_s"] > 59.0

    async def test_a_second_page_takes_no_news_from_the_first(self, door: Door) -> None:
        url = door.system.url + "/v1/stream"
        async with door.session.get(url) as first:
            lines = (line async for line in first.content)
            await _next(lines)
            await door.post("/v1/components/db/pause", {"for_s": 60.0})
            async with door.session.get(url) as second:
                await _next(line async for line in second.content)
                change = await _next(lines)
                while not change.get("components"):
                    change = await _next(lines)

        assert [each["name"] for each in change["components"]] == ["db"]

    async def test_too_many_are_told_to_come_back(self, door: Door) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(12):
                stream = door.session.get(door.system.url + "/v1/stream")
                await stack.enter_async_context(stream)
            status, problem = await door.get("/v1/stream")

        assert status == 503
        assert "web.streams" in problem["detail"]

    async def test_the_runtime_stops_in_time_with_eight_of_them_open(self, tmp_path: Path) -> None:
        (tmp_path / "mendel.toml").write_text(CONFIG)
        async with aiohttp.ClientSession() as session, AsyncExitStack() as streams:
            async with AsyncExitStack() as stack:
                system = await stack.enter_async_context(launch(tmp_path / "mendel.toml"))
                url = system.url + "/v1/stream"
                opened = [await streams.enter_async_context(session.get(url)) for _ in range(8)]
                async with asyncio.timeout(2.0):
                    await stack.aclose()
            for each in opened:
                assert b"snapshot" in await each.content.read()


async def _next(lines: AsyncIterator[bytes]) -> dict[str, Any]:
    async for line in lines:
        if line.startswith(b"data: "):
            found: dict[str, Any] = json.loads(line[6:])
            return found
    raise AssertionError("the stream has ended")


class TestDescription:
    async def test_it_is_that_of_every_route(self, door: Door) -> None:
        status, description = await door.get("/v1/openapi.json")

        assert status == 200
        assert description["openapi"] == "3.1.0"
        for route in ROUTES:
            operation = description["paths"][route.url][route.method.lower()]
            assert operation["operationId"] == route.verb
            assert ("security" in operation) is (route.method == "POST")

    def test_every_reference_leads_somewhere(self) -> None:
        description = describe("1")
        schemas = description["components"]["schemas"]

        assert set(_references(description)) <= {f"#/components/schemas/{name}" for name in schemas}

    def test_a_message_of_a_plug_in_may_hold_what_nobody_can_describe(self) -> None:
        class HeldByAPlugIn(Message, frozen=True, kw_only=True):
            held: object

        assert message_types()["HeldByAPlugIn"] is HeldByAPlugIn
        schemas = describe("1")["components"]["schemas"]
        assert "HeldByAPlugIn" not in schemas
        assert "IncidentOpened" in schemas

    def test_events_are_told_apart_by_name(self) -> None:
        schemas = describe("1")["components"]["schemas"]

        mapping = schemas["Event"]["discriminator"]["mapping"]
        assert mapping["IncidentOpened"] == "#/components/schemas/IncidentOpenedEvent"
        opened = schemas["IncidentOpenedEvent"]["properties"]
        assert opened["type"] == {"const": "IncidentOpened"}
        assert opened["message"] == {"$ref": "#/components/schemas/IncidentOpened"}


def _references(value: object) -> list[str]:
    match value:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [found for each in value.values() for found in _references(each)]
        case list():
            return [found for each in value for found in _references(each)]
    return []


class TestStart:
    def test_a_host_that_others_can_reach_needs_encryption_or_a_word(self, tmp_path: Path) -> None:
        (tmp_path / "mendel.toml").write_text(CONFIG.replace("port = 0", 'host = "0.0.0.0"'))

        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "mendel.toml")

        problem = caught.value.problems[0]
        assert "can be reached from other machines" in problem.message
        assert problem.place == "web"
        assert WebConfig(host="0.0.0.0", insecure=True).is_open

    @pytest.mark.parametrize(
        ("host", "is_open"),
        [("127.0.0.1", False), ("localhost", False), ("::1", False), ("127.0.0.9", False)],
    )
    def test_this_machine_is_no_other(self, host: str, is_open: bool) -> None:
        assert WebConfig(host=host).is_open is is_open

    async def test_a_port_that_was_chosen_and_is_taken_is_told(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            (tmp_path / "mendel.toml").write_text(CONFIG.replace("port = 0", f"port = {port}"))

            with pytest.raises(EnvironmentProblem, match=r"set web\.port to another one"):
                async with launch(tmp_path / "mendel.toml"):
                    pass

    async def test_without_a_choice_the_next_free_port_will_do(self, tmp_path: Path) -> None:
        text = CONFIG.replace("[web]\nport = 0\nstreams = 12\n", "")
        folders = [tmp_path / "a", tmp_path / "b"]
        async with AsyncExitStack() as stack:
            systems = []
            for folder in folders:
                folder.mkdir()
                (folder / "mendel.toml").write_text(text)
                running = launch(folder / "mendel.toml", web=True)
                systems.append(await stack.enter_async_context(running))

            assert len({system.url for system in systems}) == 2

    async def test_nothing_is_served_that_nobody_asked_for(self, tmp_path: Path) -> None:
        text = CONFIG.replace("[web]\nport = 0\nstreams = 12\n", "")
        (tmp_path / "mendel.toml").write_text(text)

        async with launch(tmp_path / "mendel.toml") as system:
            assert system.url == ""

    async def test_a_certificate_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "cert.pem").write_text("no certificate")
        lines = 'port = 0\ntls_cert = "cert.pem"\ntls_key = "cert.pem"'
        (tmp_path / "mendel.toml").write_text(CONFIG.replace("port = 0", lines))

        with pytest.raises(EnvironmentProblem, match="cannot use the certificate"):
            async with launch(tmp_path / "mendel.toml"):
                pass


class TestToken:
    def test_it_is_made_once_and_for_its_owner_alone(self, tmp_path: Path) -> None:
        token = token_of(tmp_path)

        assert token_of(tmp_path) == token
        assert len(token) >= 43
        assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir()] == [NAME]
        assert link("http://127.0.0.1:1", tmp_path) == f"http://127.0.0.1:1/#token={token}"

    def test_one_that_others_can_read_is_not_used(self, tmp_path: Path) -> None:
        token_of(tmp_path)
        (tmp_path / NAME).chmod(0o644)

        with pytest.raises(EnvironmentProblem, match="others may read the token"):
            token_of(tmp_path)

    def test_one_that_can_be_guessed_is_not_used(self, tmp_path: Path) -> None:
        (tmp_path / NAME).write_text("secret\n")
        (tmp_path / NAME).chmod(0o600)

        with pytest.raises(EnvironmentProblem, match="has 6 characters"):
            token_of(tmp_path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(EnvironmentProblem, match="cannot use the token"):
            token_of(tmp_path / "nowhere")
