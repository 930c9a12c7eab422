"""Each rule for probes, actions and worlds finds whoever breaks it."""

from __future__ import annotations

import asyncio
import math
import subprocess
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from estates import Estate, a_shop
from mendel.agents.ports import Action, ActionResult, IntentStatus, Probe, Sample, World
from mendel.core.records import IntentRecord
from mendel.core.topology import Component
from mendel.errors import NoData
from mendel.scenarios.contracts import Verdict, verdicts
from mendel.scenarios.testing import ActionContract, ProbeContract, WorldContract


@asynccontextmanager
async def at_hand(thing: Any) -> AsyncIterator[Any]:
    yield thing


def broken(found: Sequence[Verdict]) -> dict[str, str]:
    return {each.rule: each.detail for each in found if not each.kept}


# --- probes ---------------------------------------------------------------------------------------


class Look:
    """A probe that keeps everything."""

    target, name, every_s, timeout_s = "cart", "look", 1.0, 0.05

    def read(self) -> Sample | Awaitable[Sample]:
        return self.look()

    async def look(self) -> Sample:
        return Sample({"ok": 1.0})


class NeverDue(Look):
    every_s = 0.0


class Infinite(Look):
    async def look(self) -> Sample:
        return Sample({"ok": math.inf})


class OddMetric(Look):
    async def look(self) -> Sample:
        return Sample({"99th percentile": 1.0})


class Talkative(Look):
    async def look(self) -> Sample:
        return Sample({"ok": 1.0}, "all is well")


class OneAtATime(Look):
    looks = 0

    async def look(self) -> Sample:
        self.looks += 1
        await asyncio.sleep(0)
        assert self.looks == 1, "somebody else looks already"
        self.looks -= 1
        return Sample({"ok": 1.0})


class Late(Look):
    async def look(self) -> Sample:
        await asyncio.sleep(3.0)
        return Sample({"ok": 0.0}, "no answer")


class Silent(Look):
    async def look(self) -> Sample:
        raise NoData("")


class Careless(Look):
    def __init__(self, started: list[subprocess.Popen[bytes]]) -> None:
        self._started = started

    async def look(self) -> Sample:
        self._started.append(subprocess.Popen(("sleep", "610")))
        await asyncio.sleep(60.0)
        return Sample({"ok": 1.0})


def probe_verdicts(healthy: Probe, sick: Probe | None) -> dict[str, str]:
    class Suite(ProbeContract):
        def healthy(self) -> AbstractAsyncContextManager[Probe]:
            return at_hand(healthy)

        def sick(self) -> AbstractAsyncContextManager[Probe] | None:
            return at_hand(sick) if sick is not None else None

    return broken(list(verdicts(Suite)))


IN_TIME = "it ends in time whatever the target does"
NUMBERS = "it tells finite numbers under plain names"
PROBES = [
    (NeverDue(), None, "it says whom it looks at and when", "every_s is 0"),
    (Infinite(), None, NUMBERS, "ok is inf"),
    (OddMetric(), None, NUMBERS, "'99th percentile' is no plain name"),
    (OneAtATime(), None, "looks do not disturb each other", "somebody else looks already"),
    (Talkative(), None, "a healthy target needs no words", "'all is well'"),
    (Look(), Late(), IN_TIME, "where 0.05 s are allowed"),
    (Look(), Silent(), IN_TIME, "does not say why"),
]


@pytest.mark.parametrize(("healthy", "sick", "rule", "words"), PROBES)
def test_a_probe_that_breaks_a_rule_is_told(
    healthy: Probe, sick: Probe | None, rule: str, words: str
) -> None:
    assert words in probe_verdicts(healthy, sick).get(rule, "it was not told")


def test_a_look_that_leaves_a_process_behind_is_told() -> None:
    started: list[subprocess.Popen[bytes]] = []
    try:
        found = probe_verdicts(Look(), Careless(started))
    finally:
        for process in started:
            process.kill()
            process.wait()

    assert "leaves a process" in found["a look that is cancelled leaves nothing behind"]


def test_a_probe_that_keeps_everything_is_told_so() -> None:
    assert probe_verdicts(Look(), None) == {}


# --- actions --------------------------------------------------------------------------------------


class Restart:
    """An action that keeps everything."""

    name, disruptive, timeout_s, settle_s, undo = "restart", True, 0.05, 1.0, ""
    fails = False

    def __init__(self) -> None:
        self.done: list[str] = []

    def before(self) -> dict[str, Any]:
        return {"times": len(self.done)}

    async def run(self, intent: IntentRecord) -> ActionResult:
        if intent.target != "cart":
            return ActionResult(False, "that is somebody else")
        await self.work()
        if self.fails:
            return ActionResult(False, "exit status 1")
        self.done.append(intent.intent)
        return ActionResult(True, "restarted")

    async def work(self) -> None:
        await asyncio.sleep(0)

    async def status(self, intent: IntentRecord) -> IntentStatus:
        return IntentStatus.DONE if intent.intent in self.done else IntentStatus.NOT_DONE


class Failing(Restart):
    fails = True


class Endless(Restart):
    timeout_s = 0.0


class Unwritten(Restart):
    def before(self) -> dict[str, Any]:
        return {"who": self}


class OfTwoLines(Restart):
    async def run(self, intent: IntentRecord) -> ActionResult:
        result = await super().run(intent)
        return ActionResult(result.succeeded, f"{result.detail}\nin time")


class Hitter(Restart):
    async def run(self, intent: IntentRecord) -> ActionResult:
        self.done.append(intent.intent)
        return ActionResult(True, "restarted")


class Forgetful(Restart):
    async def status(self, intent: IntentRecord) -> IntentStatus:
        return IntentStatus.NOT_DONE


class Boastful(Restart):
    async def status(self, intent: IntentRecord) -> IntentStatus:
        return IntentStatus.DONE


class Raising(Restart):
    async def work(self) -> None:
        raise OSError("no such file")


class Optimist(Restart):
    pass


class Deaf(Restart):
    async def work(self) -> None:
        for _ in range(400):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


def action_verdicts(kind: type[Restart], failing: type[Restart] | None = Failing) -> dict[str, str]:
    class Suite(ActionContract):
        def working(self) -> AbstractAsyncContextManager[Action]:
            return at_hand(kind())

        def failing(self) -> AbstractAsyncContextManager[Action] | None:
            return at_hand(failing()) if failing is not None else None

    return broken(list(verdicts(Suite)))


IN_TIME_TOO = "a failure is a result in time"
ACTIONS = [
    (Endless, Failing, "it says what it is", "timeout_s is 0"),
    (Unwritten, None, "what it notes before can be written down", "not JSON serializable"),
    (Failing, None, "it succeeds in words of one line", "it fails: exit status 1"),
    (OfTwoLines, None, "it succeeds in words of one line", "more than one line"),
    (Hitter, None, "it refuses every other target", "it was run on '' too"),
    (Forgetful, None, "afterwards it never says that it was not done", "it was done, and its"),
    (Boastful, None, "without it it never says that it was done", "nothing was done, and it"),
    (Restart, Raising, IN_TIME_TOO, "OSError: no such file"),
    (Restart, Optimist, IN_TIME_TOO, "it says that it succeeded"),
    (Restart, Deaf, "a cancellation passes through and leaves nothing behind", "goes on"),
]


@pytest.mark.parametrize(
    ("kind", "failing", "rule", "words"), ACTIONS, ids=[x[0].__name__ for x in ACTIONS]
)
def test_an_action_that_breaks_a_rule_is_told(
    kind: type[Restart], failing: type[Restart] | None, rule: str, words: str
) -> None:
    assert words in action_verdicts(kind, failing).get(rule, "it was not told")


def test_an_action_that_keeps_everything_is_told_so() -> None:
    assert action_verdicts(Restart) == {}


# --- worlds ---------------------------------------------------------------------------------------


class Changed:
    """The shop of tests, in which one thing is wrong."""

    def __init__(self) -> None:
        self.shop: Estate = a_shop()
        self.components: Sequence[Component] = self.shop.components
        self.probes: Sequence[Probe] = self.shop.probes

    def actions(self, target: str) -> Mapping[str, Action]:
        return self.shop.actions(target)

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        self.shop.heartbeat(target, metrics)

    async def __aenter__(self) -> World:
        await self.shop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shop.__aexit__(None, None, None)


class Twins(Changed):
    def __init__(self) -> None:
        super().__init__()
        self.components = (*self.components, Component(name="db"))


class Dangling(Changed):
    def __init__(self) -> None:
        super().__init__()
        self.components = (*self.components, Component(name="new", depends_on=("cache",)))


class Stranger(Changed):
    def __init__(self) -> None:
        super().__init__()
        probe = Look()
        probe.target = "cache"
        self.probes = (*self.probes, probe)


class Liar(Changed):
    def __init__(self) -> None:
        super().__init__()
        probe: Any = Look()
        probe.target, probe.read = "db", lambda: "fine"
        self.probes = (*self.probes, probe)


class Misnamed(Changed):
    def actions(self, target: str) -> Mapping[str, Action]:
        return {"reboot": Restart()} if target == "db" else {}


class NoWayBack(Changed):
    def actions(self, target: str) -> Mapping[str, Action]:
        action = Restart()
        action.undo = "unrestart"
        return {"restart": action} if target == "db" else {}


class Generous(Changed):
    def actions(self, target: str) -> Mapping[str, Action]:
        return {"restart": Restart()}


class Easily(Changed):
    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        raise KeyError(target)


class Littering(Changed):
    async def __aenter__(self) -> World:
        self.kept = asyncio.get_running_loop().create_task(asyncio.sleep(9e9), name="forgotten")
        return self


def world_verdicts(kind: type[Changed]) -> dict[str, str]:
    class Suite(WorldContract):
        def world(self) -> World:
            return kind()

    return broken(list(verdicts(Suite)))


WORLDS = [
    (Twins, "its components have names of their own", "several components are called db"),
    (Dangling, "dependencies are components and nobody needs itself", "new depends on cache"),
    (Stranger, "probes look at components and have names of their own", "nobody's name"),
    (Liar, "probes answer with samples", "db: 'fine' is none"),
    (Misnamed, "actions are found by their names", "reboot of db says that it is 'restart'"),
    (NoWayBack, "actions are found by their names", "is taken back by 'unrestart': not there"),
    (Generous, "nobody has no actions", "'' has actions: restart"),
    (Easily, "a stray heartbeat is borne", "KeyError"),
    (Littering, "it can be entered and left", "tasks are left behind: forgotten"),
]


@pytest.mark.parametrize(
    ("kind", "rule", "words"), WORLDS, ids=[kind.__name__ for kind, _, _ in WORLDS]
)
def test_a_world_that_breaks_a_rule_is_told(kind: type[Changed], rule: str, words: str) -> None:
    assert words in world_verdicts(kind).get(rule, "it was not told")


def test_a_world_that_keeps_everything_is_told_so() -> None:
    assert world_verdicts(Changed) == {}
