"""What every action keeps, whatever it does: our own are listed, a new one joins the list."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from mendel.agents.ports import Action, ActionResult, IntentStatus
from mendel.core.records import IntentRecord
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProcessSpec, Secret
from mendel.runtime.world import RealWorld

Make = Callable[..., Any]  # A fixture that makes what a test needs.

# An action that works and one that does not, of each kind; {ok} and {mute} are local servers.
WORKING = {
    "restart": {"process": "restart"},
    "stop": {"process": "stop"},
    "start": {"process": "start"},
    "exec": {"exec": ("true",)},
    "webhook": {"webhook": "http://127.0.0.1:{ok}/"},
    "notify url": {"notify": "http://127.0.0.1:{ok}/"},
    "notify log": {"notify": "log"},
}
FAILING = {
    "exec": {"exec": ("sh", "-c", "sleep 604 & sleep 605")},
    "missing command": {"exec": ("no-such-command-of-ours",)},
    "webhook": {"webhook": "http://127.0.0.1:{mute}/"},
    "notify": {"notify": "http://127.0.0.1:{mute}/"},
    "missing secret": {"notify": Secret(env="NO_SUCH_VARIABLE_OF_OURS")},
}
NAME = "act"


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.read(1):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def be_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.transport.abort()


@pytest.fixture
async def an_action(tmp_path: Path) -> AsyncIterator[Make]:
    """Make an action in a world that is entered."""
    ok = await asyncio.start_server(serve_http, "127.0.0.1", 0)
    mute = await asyncio.start_server(be_mute, "127.0.0.1", 0)
    places = {"ok": ok.sockets[0].getsockname()[1], "mute": mute.sockets[0].getsockname()[1]}
    worlds: list[RealWorld] = []

    async def build(ways: dict[str, object]) -> Action:
        filled = {k: v.format(**places) if isinstance(v, str) else v for k, v in ways.items()}
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "606")),
            actions={NAME: ActionSpec(timeout_s=0.2, settle_s=1.5, undo="back", **filled)},  # type: ignore[arg-type]
        )
        world = RealWorld([spec], state=tmp_path / ".mendel", base=tmp_path)
        await world.__aenter__()
        worlds.append(world)
        return world.actions("cart")[NAME]

    yield build
    for world in worlds:
        await world.__aexit__()
    ok.close()
    mute.close()


def an_intent(action: Action, target: str = "cart") -> IntentRecord:
    return IntentRecord(
        intent="intent-1",
        incident="incident-1",
        target=target,
        action=NAME,
        attempt=1,
        timeout_s=action.timeout_s,
        at_s=0.0,
        before=json.loads(json.dumps(action.before())),  # As it comes back from a store.
    )


@pytest.mark.parametrize("ways", WORKING.values(), ids=WORKING)
class TestWorking:
    async def test_it_says_what_it_is(self, an_action: Make, ways: dict[str, object]) -> None:
        action = await an_action(ways)

        assert (action.name, action.timeout_s, action.settle_s, action.undo) == (
            NAME,
            0.2,
            1.5,
            "back",
        )
        assert isinstance(action.disruptive, bool)

    async def test_it_succeeds_in_words_of_one_line(
        self, an_action: Make, ways: dict[str, object]
    ) -> None:
        action = await an_action(ways)

        result = await action.run(an_intent(action))

        assert isinstance(result, ActionResult)
        assert result.succeeded, result.detail
        assert result.detail
        assert "\n" not in result.detail

    @pytest.mark.parametrize("target", ["", "*", "db", "cart/1"])
    async def test_it_refuses_another_target(
        self, an_action: Make, ways: dict[str, object], target: str
    ) -> None:
        action = await an_action(ways)
        before = action.before()

        result = await action.run(an_intent(action, target))

        assert result == ActionResult(False, f"'act' is an action of 'cart', not of {target!r}")
        assert action.before() == before

    async def test_afterwards_its_status_never_says_that_it_was_not_done(
        self, an_action: Make, ways: dict[str, object]
    ) -> None:
        action = await an_action(ways)
        intent = an_intent(action)
        await action.run(intent)

        assert await action.status(intent) in (IntentStatus.DONE, IntentStatus.UNKNOWN)

    async def test_without_it_its_status_says_done_only_when_nothing_is_left_to_do(
        self, an_action: Make, ways: dict[str, object]
    ) -> None:
        action = await an_action(ways)
        needless = ways.get("process") == "start"  # It runs already.

        assert (await action.status(an_intent(action)) is IntentStatus.DONE) == needless


@pytest.mark.parametrize("ways", FAILING.values(), ids=FAILING)
class TestFailing:
    async def test_a_failure_is_a_result_in_time(
        self, an_action: Make, ways: dict[str, object]
    ) -> None:
        action = await an_action(ways)
        before = children()
        began_s = asyncio.get_running_loop().time()

        result = await action.run(an_intent(action))

        assert not result.succeeded
        assert result.detail
        assert "\n" not in result.detail
        # The margin is for a machine that is busy otherwise.
        assert asyncio.get_running_loop().time() - began_s < action.timeout_s + 1.0
        assert children() - before == set()

    async def test_a_cancellation_passes_through_and_leaves_nothing_behind(
        self, an_action: Make, ways: dict[str, object]
    ) -> None:
        action = await an_action(ways)
        before = children()
        running = asyncio.ensure_future(action.run(an_intent(action)))
        await asyncio.sleep(0)
        running.cancel()

        await asyncio.wait([running])

        assert running.cancelled() or not running.result().succeeded
        deadline_s = asyncio.get_running_loop().time() + 5.0
        while children() - before and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(0.005)
        assert children() - before == set()


def children() -> set[int]:
    """All living descendants of the tests."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found
