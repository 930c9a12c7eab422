"""A small world whose components can be made to fail, for stories in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from mendel.agents.ports import ActionResult, IntentStatus, Sample
from mendel.core.records import IntentRecord
from mendel.core.topology import Component


class Service:
    """A component that works, or does not, and what cures it."""

    def __init__(self, name: str, *, needs: Sequence[Service] = ()) -> None:
        self.name = name
        self.needs = tuple(needs)
        self.is_running = True
        self.fault = ""
        self.cure = "restart"
        self.boot_s = 2.0
        self.up_from_s = 0.0
        self.ran: list[str] = []

    def works(self, now_s: float) -> bool:
        up = self.is_running and now_s >= self.up_from_s
        return up and not self.fault and all(each.works(now_s) for each in self.needs)

    def crash(self) -> None:
        self.is_running = False

    def sample(self, now_s: float) -> Sample:
        if not self.is_running:
            return Sample({"alive": 0.0}, "exited")
        if now_s < self.up_from_s:
            return Sample({"alive": 1.0, "reachable": 0.0}, "connection refused")
        ok = self.works(now_s)
        return Sample(
            {"alive": 1.0, "reachable": 1.0, "answered": 1.0, "ok": float(ok)},
            "" if ok else "HTTP 503",
        )


class ServiceProbe:
    name = "http"
    every_s = 1.0
    timeout_s = 0.5

    def __init__(self, service: Service) -> None:
        self.target = service.name
        self._service = service

    def read(self) -> Sample:
        return self._service.sample(asyncio.get_running_loop().time())


class ServiceAction:
    timeout_s = 10.0
    settle_s = 3.0
    undo = ""
    takes_s = 0.5

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self.disruptive = name == "restart"
        self._service = service
        self.runs: list[str] = []

    def before(self) -> dict[str, Any]:
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        await asyncio.sleep(self.takes_s)
        service = self._service
        service.ran.append(self.name)
        self.runs.append(intent.intent)
        if self.name == "restart":
            service.is_running = True
            service.up_from_s = asyncio.get_running_loop().time() + service.boot_s
        if service.cure == self.name:
            service.fault = ""
        return ActionResult(True, "done")

    async def status(self, intent: IntentRecord) -> IntentStatus:
        done = intent.intent in self.runs
        return IntentStatus.DONE if done else IntentStatus.NOT_DONE


class SmallWorld:
    """web needs cart, cart needs db and payment."""

    def __init__(self) -> None:
        self.db = Service("db")
        self.payment = Service("payment")
        self.cart = Service("cart", needs=[self.db, self.payment])
        self.web = Service("web", needs=[self.cart])
        self.services = (self.db, self.payment, self.cart, self.web)
        self.components = [
            Component(name=each.name, depends_on=tuple(needed.name for needed in each.needs))
            for each in self.services
        ]
        self.probes = [ServiceProbe(each) for each in self.services]
        self._actions = {
            each.name: {
                name: ServiceAction(each, name)
                for name in ("restart", "replace", "isolate", "release")
            }
            for each in self.services
        }

    def actions(self, target: str) -> Mapping[str, ServiceAction]:
        return self._actions.get(target, {})

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        raise AssertionError(f"nobody here reports itself, and {target} did")

    async def __aenter__(self) -> SmallWorld:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    @property
    def ran(self) -> dict[str, list[str]]:
        return {each.name: each.ran for each in self.services if each.ran}


@pytest.fixture
def world() -> SmallWorld:
    return SmallWorld()
