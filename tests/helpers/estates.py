"""Simulated estates for stories in virtual time: services that can fail, and what cures them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import ActionResult, IntentStatus, Sample
from mendel.bus.messages import Message
from mendel.core.records import IntentRecord, Record
from mendel.core.topology import Component, Kind
from mendel.runtime.system import System

M = TypeVar("M", bound=Message)
ACTIONS = ("restart", "replace", "drain", "isolate", "release", "notify")


class Event(NamedTuple):
    """Something that an action did to a service."""

    at_s: float
    target: str
    action: str
    intent: str


class Service:
    """A component that works, or does not, and what cures it.

    Attributes:
        fault: empty, ``errors`` (a share of its answers), ``hang`` (no answer) or ``bad``.
        cure: the action that ends the fault.
        breaks: what an action makes of it instead of doing good, by name of the action.
        is_seen: whether its probe can look at it at all.
        happened: what was done to it, oldest first.
    """

    def __init__(self, name: str, needs: Sequence[Service] = (), kind: Kind = "service") -> None:
        self.name = name
        self.needs = tuple(needs)
        self.kind = kind
        self.is_running = True
        self.fault = ""
        self.error_rate = 1.0
        self.cure = "restart"
        self.breaks: dict[str, str] = {}
        self.is_seen = True
        self.is_isolated = False
        self.boot_s = 2.0
        self.up_from_s = 0.0
        self.happened: list[Event] = []
        self._rng = random.Random(name)

    @property
    def ran(self) -> list[str]:
        return [event.action for event in self.happened]

    def crash(self) -> None:
        self.is_running = False

    def works(self, now_s: float) -> bool:
        up = self.is_running and now_s >= self.up_from_s
        return up and not self.fault and all(each.works(now_s) for each in self.needs)

    def sample(self, now_s: float) -> Sample:
        if not self.is_seen:
            raise ConnectionError("the probe cannot get out")
        if not self.is_running:
            return Sample({"alive": 0.0}, "exited")
        if now_s < self.up_from_s:
            return Sample({"alive": 1.0, "reachable": 0.0}, "connection refused")
        if self.fault == "hang":
            return Sample({"alive": 1.0, "reachable": 1.0, "answered": 0.0}, "no answer")
        ok = self.works(now_s)
        if self.fault == "errors":
            ok = self._rng.random() >= self.error_rate
        detail = "" if ok else "HTTP 503"
        return Sample({"alive": 1.0, "reachable": 1.0, "answered": 1.0, "ok": float(ok)}, detail)

    def undergo(self, action: str, intent: str, now_s: float) -> None:
        self.happened.append(Event(now_s, self.name, action, intent))
        match action:
            case "restart" | "replace":
                self.is_running, self.up_from_s = True, now_s + self.boot_s
            case "isolate":
                self.is_isolated = True
            case "release":
                self.is_isolated = False
        if action == self.cure:
            self.fault = ""
        match self.breaks.get(action, ""):
            case "":
                pass
            case "crash":
                self.is_running = False
            case fault:
                self.fault = fault


class ServiceProbe:
    """Looks at a service as an HTTP probe would."""

    name = "http"
    every_s = 1.0
    timeout_s = 0.5

    def __init__(self, service: Service, takes_s: float = 0.0) -> None:
        self.target = service.name
        self._service = service
        self._takes_s = takes_s

    def read(self) -> Sample | Awaitable[Sample]:
        return self._answer() if self._takes_s else self._look()

    async def _answer(self) -> Sample:
        await asyncio.sleep(self._takes_s)
        return self._look()

    def _look(self) -> Sample:
        return self._service.sample(asyncio.get_running_loop().time())


class HeartbeatProbe:
    """Reads what a component last said of itself; silence is no data."""

    name = "heartbeat"
    every_s = 1.0
    timeout_s = 0.5

    def __init__(self, target: str) -> None:
        self.target = target
        self.said: Mapping[str, float] | None = None

    def read(self) -> Sample:
        if self.said is None:
            raise ConnectionError("it has not said anything")
        said, self.said = self.said, None
        return Sample(dict(said))


class ServiceAction:
    """Something that takes time and has its effect in the middle of it."""

    undo = ""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self.disruptive = name in ("restart", "replace")
        self.takes_s = 0.5 if self.disruptive else 0.1
        self.timeout_s = 10.0
        self.settle_s = 3.0 if self.disruptive else 0.0
        self.problem = ""
        self.is_known = True
        self._service = service

    def before(self) -> dict[str, Any]:
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        await asyncio.sleep(self.takes_s / 2)
        if self.problem:
            return ActionResult(False, self.problem)
        self._service.undergo(self.name, intent.intent, asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes_s / 2)
        return ActionResult(True, "done")

    async def status(self, intent: IntentRecord) -> IntentStatus:
        if not self.is_known:
            return IntentStatus.UNKNOWN
        done = any(event.intent == intent.intent for event in self._service.happened)
        return IntentStatus.DONE if done else IntentStatus.NOT_DONE


class Estate:
    """A `World` of services; all of them have all actions unless told otherwise."""

    def __init__(
        self,
        services: Sequence[Service],
        actions: Sequence[str] = ACTIONS,
        probe_takes_s: float = 0.0,
    ) -> None:
        self.services = {each.name: each for each in services}
        self.components = [
            Component(
                name=each.name,
                kind=each.kind,
                depends_on=tuple(needed.name for needed in each.needs),
            )
            for each in services
        ]
        self.probes: list[ServiceProbe | HeartbeatProbe] = [
            ServiceProbe(each, probe_takes_s) for each in services
        ]
        self._actions = {
            each.name: {name: ServiceAction(each, name) for name in actions} for each in services
        }

    def __getitem__(self, name: str) -> Service:
        return self.services[name]

    def actions(self, target: str) -> dict[str, ServiceAction]:
        return self._actions.get(target, {})

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        for probe in self.probes:
            if isinstance(probe, HeartbeatProbe) and probe.target == target:
                probe.said = metrics

    async def __aenter__(self) -> Estate:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    @property
    def ran(self) -> dict[str, list[str]]:
        """What was done to each service that anything was done to."""
        return {name: each.ran for name, each in self.services.items() if each.happened}

    @property
    def history(self) -> list[tuple[str, str]]:
        """Target and action of all that happened, in order."""
        events = sorted(event for each in self.services.values() for event in each.happened)
        return [(event.target, event.action) for event in events]

    @property
    def intents(self) -> list[str]:
        """Intents of all that happened; each of them should be there once."""
        return [event.intent for each in self.services.values() for event in each.happened]


def a_shop() -> Estate:
    """web needs cart, cart needs db and payment."""
    db, payment = Service("db"), Service("payment")
    cart = Service("cart", [db, payment])
    return Estate([db, payment, cart, Service("web", [cart])])


def a_row(count: int) -> Estate:
    """Services that need nobody: s0, s1, ..."""
    return Estate([Service(f"s{number}") for number in range(count)])


class SlowJournal(MemoryJournal):
    """A journal in memory whose commits take as long as a disk does."""

    def __init__(self, commit_s: float) -> None:
        super().__init__()
        self._commit_s = commit_s

    async def commit(self, record: Record) -> None:
        self.note(record)
        await asyncio.sleep(self._commit_s)


class Watcher:
    """Hears everything that goes over the bus of a system."""

    def __init__(self, system: System) -> None:
        self.messages: list[Message] = []
        self._news = asyncio.Event()
        system.bus.tap(lambda batch: self._hear([each.message for each in batch]))

    def of(self, kind: type[M], target: str = "") -> list[M]:
        """Messages of one type so far, of one target if it is given."""
        return [
            each
            for each in self.messages
            if isinstance(each, kind) and target in ("", getattr(each, "target", ""))
        ]

    async def until(self, holds: Callable[[], object], within_s: float) -> None:
        """Wait until something holds; it is asked again after each message."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def _hear(self, messages: list[Message]) -> None:
        self.messages += messages
        self._news.set()
