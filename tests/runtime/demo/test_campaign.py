"""One fault after the other, each when all is quiet; in virtual time."""

import asyncio

import pytest
from mendel.bus.messages import (
    FaultInjected,
    FaultLifted,
    HealthChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    Status,
)
from mendel.runtime.demo.campaign import Campaign
from mendel.runtime.demo.chronicle import Chronicle
from mendel.runtime.demo.faults import Fault, FaultKind, InjectionFailed
from mendel.runtime.demo.score import Injection

pytestmark = pytest.mark.virtual_time


class Healers:
    """An estate in which what is broken is healed after a given time, if at all."""

    def __init__(self, chronicle: Chronicle, heals_after_s: dict[str, float]) -> None:
        self.chronicle = chronicle
        self.heals_after_s = heals_after_s
        self.lifted: list[tuple[str, float]] = []
        self.published: list[Message] = []
        for name in chronicle.statuses:
            self._health(name, Status.HEALTHY)

    async def inject(self, fault: Fault) -> None:
        if fault.target == "gone":
            raise InjectionFailed(fault, "gone does not run")
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self.chronicle.hear(
            IncidentOpened(
                target=fault.target, incident=fault.target, onset_s=now_s, opened_s=now_s
            )
        )
        self._health(fault.target, Status.SICK)
        if fault.target in self.heals_after_s:
            heal_s = self.heals_after_s[fault.target]
            loop.call_later(heal_s, self._heal, fault.target, now_s)

    async def lift(self, fault: Fault) -> None:
        self.lifted.append((fault.target, asyncio.get_running_loop().time()))

    def _heal(self, target: str, opened_s: float) -> None:
        self._health(target, Status.HEALTHY)
        self.chronicle.hear(
            IncidentClosed(
                target=target,
                incident=target,
                outcome="healed",
                actions=("restart",),
                onset_s=opened_s,
                opened_s=opened_s,
                closed_s=asyncio.get_running_loop().time(),
            )
        )

    def _health(self, target: str, status: Status) -> None:
        self.chronicle.hear(
            HealthChanged(
                target=target, status=status, previous=Status.UNKNOWN, reason="", changed_s=0.0
            )
        )


def a_fault(target: str, at_s: float) -> Fault:
    return Fault(kind=FaultKind.CRASH, target=target, at_s=at_s, window_s=8.0, seed=1)


async def run(
    plan: list[Fault], heals_after_s: dict[str, float], duration_s: float = 60.0
) -> tuple[Campaign, Healers, list[str]]:
    chronicle, told = Chronicle(["db", "cart"]), list[str]()
    hands = Healers(chronicle, heals_after_s)
    campaign = Campaign(plan, hands, chronicle, told.append, hands.published.append)
    await campaign.run(duration_s)
    return campaign, hands, told


async def test_each_fault_comes_at_its_time_and_is_over_when_it_is_healed() -> None:
    campaign, _, told = await run(
        [a_fault("db", 1.0), a_fault("cart", 10.0)], {"db": 4.0, "cart": 5.0}
    )

    assert campaign.injections == [
        Injection(kind="crash", target="db", injected_s=1.0, lifted_s=5.0),
        Injection(kind="crash", target="cart", injected_s=10.0, lifted_s=15.0),
    ]
    assert told == [
        "fault 1 of 2: kill -9 db",
        "db is healed",
        "fault 2 of 2: kill -9 cart",
        "cart is healed",
    ]


async def test_a_fault_that_nobody_heals_is_lifted_when_its_window_ends() -> None:
    campaign, hands, told = await run([a_fault("db", 1.0)], {})

    assert campaign.injections == [
        Injection(kind="crash", target="db", injected_s=1.0, lifted_s=9.0)
    ]
    assert hands.lifted == [("db", 9.0)]
    assert hands.published == [
        FaultInjected(target="db", kind="crash", who="mendel demo", injected_s=1.0),
        FaultLifted(target="db", kind="crash", who="mendel demo", injected_s=1.0, lifted_s=9.0),
    ]
    assert told[-1] == "db was not healed"


async def test_the_next_fault_waits_for_quiet() -> None:
    campaign, _, _ = await run(
        [a_fault("db", 1.0), a_fault("cart", 10.0)], {"db": 11.0, "cart": 4.0}
    )

    assert [each.injected_s for each in campaign.injections] == [1.0, 12.0]


async def test_the_next_fault_does_not_wait_for_ever() -> None:
    campaign, _, _ = await run([a_fault("db", 1.0), a_fault("cart", 10.0)], {"cart": 4.0})

    assert [each.injected_s for each in campaign.injections] == [1.0, 20.0]


async def test_what_does_not_fit_is_said() -> None:
    campaign, _, told = await run(
        [a_fault("db", 1.0), a_fault("cart", 10.0)], {"db": 4.0}, duration_s=15.0
    )

    assert [each.target for each in campaign.injections] == ["db"]
    assert [each.target for each in campaign.skipped] == ["cart"]
    assert told[-1] == "not broken, for lack of time or a service that was gone: crash"


async def test_what_cannot_be_broken_is_no_fault() -> None:
    campaign, hands, told = await run([a_fault("gone", 1.0), a_fault("db", 10.0)], {"db": 4.0})

    assert [each.target for each in campaign.injections] == ["db"]
    assert hands.lifted == [("db", 14.0)]
    assert told[1] == "kill -9 gone: cannot be done: gone does not run"
