import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from mendel.agents.ports import Action, ActionResult, IntentStatus
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProcessSpec, Secret
from mendel.runtime.world import RealWorld

Make = Callable[..., Any]  # A fixture that makes what a test needs.


class Mailbox:
    """A server of HTTP that keeps what it is sent."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.letters: list[tuple[str, str]] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line for line in head.split("\r\n") if line.startswith("Content-Length")]
        length = int(lengths[0].partition(":")[2]) if lengths else 0
        self.letters.append((head, (await reader.readexactly(length)).decode()))
        lines = (f"HTTP/1.1 {self.status} X", "Location: /x", "Content-Length: 0", "", "")
        writer.write("\r\n".join(lines).encode())
        await writer.drain()


class TestExec:
    async def test_the_exit_status_decides(self, run_one: Make) -> None:
        good = await run_one(ActionSpec(exec=("sh", "-c", "echo flushed 17 keys")))
        bad = await run_one(ActionSpec(exec=("sh", "-c", "echo no such table; exit 2")))

        assert good == ActionResult(True, "exited with status 0: flushed 17 keys")
        assert bad == ActionResult(False, "exited with status 2: no such table")

    async def test_it_is_told_what_it_is_run_for(self, run_one: Make) -> None:
        script = 'echo "$MENDEL_TARGET $MENDEL_ACTION $MENDEL_INTENT $MENDEL_INCIDENT"'

        result = await run_one(ActionSpec(exec=("sh", "-c", script)))

        assert result.detail == "exited with status 0: cart act intent-1 incident-1"

    async def test_a_missing_command_is_a_failure_with_its_name(self, run_one: Make) -> None:
        result = await run_one(ActionSpec(exec=("no-such-command-of-ours", "x")))

        assert not result.succeeded
        assert result.detail.startswith(
            "command 'no-such-command-of-ours' was not found; install it, or give its full"
        )

    async def test_a_timeout_kills_grandchildren_too(self, run_one: Make, living: Make) -> None:
        script = "sh -c 'sleep 941 & sleep 942' & sleep 943"

        result = await run_one(ActionSpec(exec=("sh", "-c", script), timeout_s=0.1))

        assert not result.succeeded
        assert result.detail.startswith("no end within 0.1 s")
        assert living("sleep 94") == []

    async def test_a_cancellation_kills_grandchildren_too(
        self, run_one: Make, living: Make, until: Make
    ) -> None:
        script = "sh -c 'sleep 951 & sleep 952' & sleep 953"
        running = asyncio.ensure_future(run_one(ActionSpec(exec=("sh", "-c", script))))
        await until(lambda: len(living("sleep 95")) >= 3)
        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running

        await until(lambda: not living("sleep 95"), within_s=0.5)

    async def test_a_service_that_it_starts_in_the_background_goes_on(
        self, run_one: Make, living: Make
    ) -> None:
        result = await run_one(ActionSpec(exec=("sh", "-c", "sleep 961 & echo started")))

        assert result.succeeded
        assert len(living("sleep 961")) == 1


class TestWebhook:
    async def test_it_sends_the_facts_and_takes_a_good_status_for_success(
        self, run_one: Make, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_OF_TEST", "s3cr3t")
        spec = ActionSpec(
            webhook=f"{mailbox.url}/heal?x=1",
            method="PUT",
            headers={"Authorization": Secret(env="TOKEN_OF_TEST")},
            body='{"who": "{target}", "why": "{incident}", "id": "{intent}", "{other}": 1}',
        )

        result = await run_one(spec)

        head, body = mailbox.letters[0]
        assert result == ActionResult(True, "HTTP 200")
        assert head.startswith("PUT /heal?x=1 HTTP/1.1\r\n")
        assert "\r\nAuthorization: s3cr3t\r\n" in head
        assert "\r\nIdempotency-Key: intent-1\r\n" in head
        assert "\r\nContent-Type: application/json\r\n" in head
        assert body == '{"who": "cart", "why": "incident-1", "id": "intent-1", "{other}": 1}'

    async def test_own_headers_go_before_ours_in_any_case_of_letters(
        self, run_one: Make, mailbox: Mailbox
    ) -> None:
        headers: dict[str, str | Secret] = {"content-type": "text/csv", "IDEMPOTENCY-KEY": "mine"}

        await run_one(ActionSpec(webhook=mailbox.url, headers=headers, body="a,b"))

        head, body = mailbox.letters[0]
        assert body == "a,b"
        assert head.lower().count("content-type: text/csv") == 1
        assert head.lower().count("content-type") == 1
        assert "intent-1" not in head

    async def test_another_status_is_a_failure_unless_it_is_configured(
        self, run_one: Make, mailbox: Mailbox
    ) -> None:
        mailbox.status = 409

        assert await run_one(ActionSpec(webhook=mailbox.url)) == ActionResult(False, "HTTP 409")
        assert await run_one(ActionSpec(webhook=mailbox.url, status=(409,))) == ActionResult(
            True, "HTTP 409"
        )

    async def test_a_redirect_is_not_followed_and_no_success(
        self, run_one: Make, mailbox: Mailbox
    ) -> None:
        mailbox.status = 307

        assert await run_one(ActionSpec(webhook=mailbox.url)) == ActionResult(False, "HTTP 307")
        assert len(mailbox.letters) == 1

    async def test_silence_and_closed_ports_are_failures(
        self, run_one: Make, serve: Make, silent: Make, free_port: int
    ) -> None:
        mute = f"http://127.0.0.1:{await serve(silent)}/"

        assert await run_one(ActionSpec(webhook=mute, timeout_s=0.05)) == ActionResult(
            False, "no answer within 0.05 s"
        )
        assert await run_one(ActionSpec(webhook=f"http://127.0.0.1:{free_port}/")) == ActionResult(
            False, "connection refused"
        )

    async def test_a_missing_secret_is_a_failure_that_names_it(
        self, run_one: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TOKEN_OF_TEST", raising=False)
        spec = ActionSpec(webhook="http://127.0.0.1:1/", headers={"X": Secret(env="TOKEN_OF_TEST")})

        result = await run_one(spec)

        assert result.detail.startswith("'X': environment variable 'TOKEN_OF_TEST' is not set")


class TestNotify:
    async def test_the_log_is_told(self, run_one: Make, caplog: pytest.LogCaptureFixture) -> None:
        result = await run_one(ActionSpec(notify="log"))

        assert result == ActionResult(True, "written to the log")
        assert caplog.messages == ["cart needs a person: act for incident incident-1"]

    async def test_a_url_that_is_a_secret_gets_a_message_and_is_not_shown(
        self, run_one: Make, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOOK_OF_TEST", f"{mailbox.url}/services/t0k3n")

        result = await run_one(ActionSpec(notify=Secret(env="HOOK_OF_TEST")))

        head, body = mailbox.letters[0]
        assert result == ActionResult(True, "HTTP 200")
        assert head.startswith("POST /services/t0k3n HTTP/1.1")
        assert json.loads(body) == {
            "text": "cart needs a person: act for incident incident-1",
            "target": "cart",
            "action": "act",
            "intent": "intent-1",
            "incident": "incident-1",
        }

    @pytest.mark.parametrize("url", ["no url at all t0k3n", "http://127.0.0.1:1/t0k3n"])
    async def test_a_secret_url_is_not_shown_when_it_fails(
        self, run_one: Make, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        monkeypatch.setenv("HOOK_OF_TEST", url)

        result = await run_one(ActionSpec(notify=Secret(env="HOOK_OF_TEST")))

        assert not result.succeeded
        assert "t0k3n" not in result.detail

    async def test_telling_somebody_is_never_disruptive(self, an_action: Make) -> None:
        assert not an_action(ActionSpec(notify="log", disruptive=True)).disruptive
        assert an_action(ActionSpec(exec=("true",))).disruptive


class TestStatusAfterACrash:
    @pytest.mark.parametrize(
        ("kind", "meanwhile", "verdict"),
        [
            ("restart", "nothing", IntentStatus.NOT_DONE),
            ("restart", "restart", IntentStatus.DONE),
            ("restart", "kill", IntentStatus.NOT_DONE),
            ("stop", "nothing", IntentStatus.NOT_DONE),
            ("stop", "kill", IntentStatus.DONE),
            ("start", "kill", IntentStatus.NOT_DONE),
            ("start", "restart", IntentStatus.DONE),
        ],
    )
    async def test_a_process_tells_whether_it_was_touched(
        self,
        a_world: Make,
        an_intent: Make,
        until: Make,
        kind: Literal["restart", "stop", "start"],
        meanwhile: str,
        verdict: IntentStatus,
    ) -> None:
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "600")),
            actions={"act": ActionSpec(process=kind)},
        )
        async with a_world(spec) as world:
            action, restart = world.actions("cart")["act"], world.actions("cart")["restart"]
            intent = an_intent(action="act", before=json.loads(json.dumps(action.before())))
            if meanwhile == "restart":
                await restart.run(an_intent())
            if meanwhile == "kill":
                os.kill(action.before()["pid"], signal.SIGKILL)
                await until(lambda: not action.before()["pid"])

            assert await action.status(intent) is verdict

    @pytest.mark.parametrize(
        "spec",
        [
            ActionSpec(exec=("true",)),
            ActionSpec(webhook="http://127.0.0.1:1/"),
            ActionSpec(notify="log"),
        ],
    )
    async def test_what_leaves_no_trace_is_unknown(
        self, an_action: Make, an_intent: Make, spec: ActionSpec
    ) -> None:
        assert await an_action(spec).status(an_intent(action="act")) is IntentStatus.UNKNOWN

    @pytest.mark.parametrize(
        ("script", "verdict"),
        [
            ('test "$MENDEL_INTENT" = intent-1', IntentStatus.DONE),
            ("exit 1", IntentStatus.NOT_DONE),
            ("exit 2", IntentStatus.UNKNOWN),
            ("kill -KILL $$", IntentStatus.UNKNOWN),
            ("sleep 600", IntentStatus.UNKNOWN),
        ],
    )
    async def test_a_check_decides_by_its_exit_status(
        self, an_action: Make, an_intent: Make, script: str, verdict: IntentStatus
    ) -> None:
        check = ("sh", "-c", script)
        for spec in (
            ActionSpec(exec=("true",), check=check, timeout_s=0.2),
            ActionSpec(webhook="http://127.0.0.1:1/", check=check, timeout_s=0.2),
        ):
            assert await an_action(spec).status(an_intent(action="act")) is verdict

    async def test_a_check_that_cannot_be_started_decides_nothing(
        self, an_action: Make, an_intent: Make
    ) -> None:
        spec = ActionSpec(exec=("true",), check=("no-such-command-of-ours",))

        assert await an_action(spec).status(an_intent(action="act")) is IntentStatus.UNKNOWN

    async def test_a_command_that_outlived_mendel_is_waited_for(
        self, an_action: Make, an_intent: Make, outliving: Make, tmp_path: Path
    ) -> None:
        # It is still at work: to say "not done" now would run it twice.
        outliving("sleep 0.2; touch done")
        spec = ActionSpec(exec=("true",), check=("test", "-e", "done"))

        verdict = await an_action(spec).status(an_intent(action="act"))

        assert verdict is IntentStatus.DONE
        assert (tmp_path / "done").exists()

    async def test_one_that_does_not_end_leaves_it_open(
        self, an_action: Make, an_intent: Make, outliving: Make
    ) -> None:
        command = outliving("sleep 600")
        spec = ActionSpec(exec=("true",), check=("false",), timeout_s=0.1)

        assert await an_action(spec).status(an_intent(action="act")) is IntentStatus.UNKNOWN
        assert command.poll() is None


@pytest.fixture
async def mailbox(serve: Make) -> Mailbox:
    taker = Mailbox()
    taker.url = f"http://127.0.0.1:{await serve(taker.take)}"
    return taker


@pytest.fixture
def an_action(a_world: Make) -> Make:
    """Make the action ``act`` of the component ``cart``."""

    def build(spec: ActionSpec) -> Action:
        world: RealWorld = a_world(ComponentSpec(name="cart", actions={"act": spec}))
        return world.actions("cart")["act"]

    return build


@pytest.fixture
def run_one(tmp_path: Path, an_intent: Make) -> Make:
    """Run an action in a world of its own."""

    async def run(spec: ActionSpec) -> ActionResult:
        component = ComponentSpec(name="cart", actions={"act": spec})
        world = RealWorld([component], state=tmp_path / ".mendel", base=tmp_path)
        async with world:
            return await world.actions("cart")["act"].run(an_intent(action="act"))

    return run


@pytest.fixture
def outliving(tmp_path: Path) -> Iterator[Make]:
    """Start a command as a mendel would have that was killed while it ran."""
    started = []

    def start(script: str) -> subprocess.Popen[bytes]:
        command = subprocess.Popen(
            ["sh", "-c", script],
            cwd=tmp_path,
            start_new_session=True,
            env={**os.environ, "MENDEL_INTENT": "intent-1"},
        )
        started.append(command)
        return command

    yield start
    for command in started:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()
