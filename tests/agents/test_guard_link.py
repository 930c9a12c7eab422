import asyncio
import threading

import pytest
from mendel import CallNotPermitted, LocalBus, Message, guard
from mendel.agents.guard_link import GuardLink
from mendel.bus.messages import CircuitChanged, Heartbeat, IsolateTarget, ReleaseTarget
from mendel.scenarios.virtual_time import settle


async def heard_by(bus: LocalBus, pattern: str) -> list[Message]:
    heard: list[Message] = []
    bus.subscribe(pattern, lambda envelope: heard.append(envelope.message))
    return heard


@pytest.mark.virtual_time
class TestGuardLink:
    async def test_the_coordinators_word_isolates_a_target_and_lets_calls_in_again(self) -> None:
        bus = LocalBus()
        db = guard("db")
        heard = await heard_by(bus, f"{CircuitChanged.topic}.>")
        async with GuardLink(bus):
            bus.publish(IsolateTarget(target="db", incident="i1", reason="it is restarted"))
            bus.publish(IsolateTarget(target="nobody-calls-it", incident="i1"))
            await settle()
            with pytest.raises(CallNotPermitted):
                await db(asyncio.sleep)(0)
            bus.publish(ReleaseTarget(target="db", incident="i1"))
            await settle()
            for _ in range(3):
                await db(asyncio.sleep)(0)
            await settle()

        assert [(each.state, each.previous) for each in heard] == [("closed", "half_open")]  # type: ignore[attr-defined]
        await bus.close(1.0)

    async def test_what_callers_see_is_reported(self) -> None:
        bus = LocalBus()
        guard("db")
        heard = await heard_by(bus, f"{Heartbeat.topic}.>")
        async with GuardLink(bus, every_s=2.0):
            await asyncio.sleep(1.0)
            for _ in range(4):
                await guard("db")(asyncio.sleep)(0)
            await asyncio.sleep(1.5)

        assert heard == [
            Heartbeat(
                target="db",
                metrics={
                    "calls_per_s": 2.0,
                    "calls_not_permitted_per_s": 0.0,
                    "circuit_closed": 1.0,
                    "failure_rate": 0.0,
                    "slow_call_rate": 0.0,
                },
            )
        ]
        await bus.close(1.0)

    async def test_afterwards_nothing_is_left_behind(self) -> None:
        bus = LocalBus()
        async with GuardLink(bus):
            pass

        bus.publish(IsolateTarget(target="db", incident="i1"))
        await settle()

        assert guard("db").state == "closed"
        await bus.close(1.0)


async def test_transitions_in_other_threads_are_heard() -> None:
    bus = LocalBus()
    arrived = asyncio.Event()
    bus.subscribe(f"{CircuitChanged.topic}.>", lambda envelope: arrived.set())
    async with GuardLink(bus):
        worker = threading.Thread(target=guard("db").force_open, args=("test",))
        worker.start()
        async with asyncio.timeout(5.0):
            await arrived.wait()
        worker.join()

    await bus.close(1.0)
