"""Agents of users beside mendel's own: what they advise, and what happens when they fail."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, Watcher
from mendel.agents import Agent, on
from mendel.agents.agent import AgentConfig
from mendel.agents.journal import MemoryJournal
from mendel.agents.registry import LoadedAgent
from mendel.bus.messages import (
    Advice,
    AgentCrashed,
    AnomalyDetected,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    Message,
    Reading,
    RecoveryProposed,
)
from mendel.errors import ConfigError
from mendel.runtime.config import Config
from mendel.runtime.system import System
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class DrainFirst(Agent[AgentConfig]):
    """Wants calls drained before a restart."""

    @on(RecoveryProposed)
    def advise(self, proposal: RecoveryProposed) -> Advice:
        return Advice(before=("drain",) if proposal.action == "restart" else ())


class NoRestarts(Agent[AgentConfig]):
    """Knows that a restart would lose data."""

    @on(RecoveryProposed)
    def advise(self, proposal: RecoveryProposed) -> Advice:
        return Advice(veto="the cache is cold" if proposal.action == "restart" else "")


class Slow(Agent[AgentConfig]):
    """Thinks longer than anybody waits."""

    @on(RecoveryProposed)
    async def advise(self, proposal: RecoveryProposed) -> Advice:
        del proposal
        await asyncio.sleep(60)
        return Advice(veto="too late")


class Broken(Agent[AgentConfig]):
    """Fails at everything it hears."""

    @on(RecoveryProposed)
    @on(AnomalyDetected)
    @on(HealthChanged)
    @on(Reading)
    def fail(self, message: Message) -> None:
        raise RuntimeError(f"cannot bear {type(message).__name__}")


class Sitter(Agent[AgentConfig]):
    """Reports an anomaly that no probe can see."""

    async def on_start(self) -> None:
        self.start_timer("look", self.now_s + 20)

    async def on_timer(self, timer: object) -> None:
        anomaly = AnomalyDetected(
            target="payment",
            metric="refund_rate",
            value=0.9,
            score=9.0,
            onset_s=self.now_s,
            detected_s=self.now_s,
            reason="nine of ten payments are refunded",
            own=True,
        )
        await self.publish(anomaly)


def loaded(kind: type[Agent[AgentConfig]]) -> LoadedAgent:
    return LoadedAgent(kind.name, f"tests:{kind.__name__}", kind, kind.Config())


async def a_crash(shop: Estate, *kinds: type[Agent[AgentConfig]]) -> Watcher:
    """Let payment crash while agents live, and wait until that must be over."""
    plugins = [loaded(kind) for kind in kinds]
    async with System(Config(), shop, MemoryJournal(), plugins=plugins) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        shop["payment"].crash()
        await asyncio.sleep(60)
        assert [each.outcome for each in seen.of(IncidentClosed, "payment")] == ["healed"]
        return seen


class TestAdvice:
    async def test_a_preparation_is_run_before_the_action(self, shop: Estate) -> None:
        await a_crash(shop, DrainFirst)

        assert shop["payment"].ran == ["isolate", "drain", "restart", "release"]

    async def test_a_vetoed_action_is_left_out_and_the_next_one_is_run(self, shop: Estate) -> None:
        seen = await a_crash(shop, NoRestarts)

        assert shop["payment"].ran == ["isolate", "replace", "release"]
        reasons = [each.reason for each in seen.of(IncidentChanged, "payment")]
        assert "restart was vetoed: the cache is cold; runs replace" in reasons

    async def test_a_veto_outweighs_a_preparation(self, shop: Estate) -> None:
        await a_crash(shop, DrainFirst, NoRestarts)

        assert shop["payment"].ran == ["isolate", "replace", "release"]

    async def test_who_thinks_too_long_is_not_waited_for(self, shop: Estate) -> None:
        seen = await a_crash(shop, Slow)

        found = seen.of(AnomalyDetected, "payment")[0]
        assert shop["payment"].ran == ["isolate", "restart", "release"]
        assert shop["payment"].happened[1].at_s - found.detected_s == pytest.approx(1.25, abs=0.1)

    async def test_a_veto_counts_although_somebody_else_never_answers(self, shop: Estate) -> None:
        await a_crash(shop, NoRestarts, Slow)

        assert shop["payment"].ran[1] != "restart"

    async def test_an_agent_may_see_what_no_probe_sees(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal(), plugins=[loaded(Sitter)]):
            await asyncio.sleep(60)

            assert shop.ran == {"payment": ["isolate", "restart", "release"]}


class TestFailure:
    async def test_one_that_crashes_at_everything_does_not_disturb_healing(
        self, shop: Estate
    ) -> None:
        seen = await a_crash(shop, Broken)

        assert shop.ran == {"payment": ["isolate", "restart", "release"]}
        assert {each.agent for each in seen.of(AgentCrashed)} <= {"broken", "supervisor of broken"}

    async def test_it_is_given_up_alone_and_the_rest_goes_on(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal(), plugins=[loaded(Broken)]) as system:
            await asyncio.sleep(60)
            states = {name: child.state for name, child in system.agents().items()}
            assert states == {
                "coordinator": "running",
                "recovery": "running",
                "breaker": "running",
                "monitor": "running",
                "broken": "ended",
            }

            shop["db"].crash()
            await asyncio.sleep(30)

            assert shop.ran == {"db": ["isolate", "restart", "release"]}


class TestComingAndGoing:
    async def test_an_agent_that_is_added_while_running_is_heard(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            await asyncio.sleep(10)
            system.add_agent(loaded(DrainFirst))
            shop["payment"].crash()
            await asyncio.sleep(30)

            assert shop["payment"].ran == ["isolate", "drain", "restart", "release"]

    async def test_an_agent_that_is_removed_is_not_waited_for(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal(), plugins=[loaded(Slow)]) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            await system.remove_agent("slow")
            shop["payment"].crash()
            await asyncio.sleep(30)

            found = seen.of(AnomalyDetected, "payment")[0]
            assert shop["payment"].happened[1].at_s - found.detected_s == pytest.approx(0.25)

    async def test_one_that_was_given_up_can_be_removed_and_added_again(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal(), plugins=[loaded(Broken)]) as system:
            await asyncio.sleep(60)
            await system.remove_agent("broken")
            system.add_agent(loaded(Broken))
            await settle()

            assert system.agents()["broken"].state in ("running", "waiting")

    async def test_mendels_own_agents_cannot_be_removed_nor_named_twice(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal(), plugins=[loaded(Slow)]) as system:
            with pytest.raises(ConfigError, match="no agent 'monitor' to remove; there are: slow"):
                await system.remove_agent("monitor")
            with pytest.raises(ConfigError, match="there is an agent 'slow' already"):
                system.add_agent(loaded(Slow))
