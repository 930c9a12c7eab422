"""The fixture `mendel_system`, used as a user would."""

from __future__ import annotations

from typing import Annotated

import pytest
from mendel.agents import Agent, AgentConfig, Timer, on
from mendel.bus.messages import Advice, Message, RecoveryProposed, TargetProbed
from mendel.core.gene import Gene
from mendel.scenarios.rehearsal import Rehearsal
from msgspec import Meta, ValidationError


class Drained(Message, frozen=True, kw_only=True):
    """For these tests."""

    target: str
    at_s: float


class DrainFirst(Agent):
    """Advises to drain a target before it is restarted, and says when that may be over."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        drain_s: Annotated[float, Meta(gt=0), Gene(low=0.5, high=30)] = 3.0

    @on(RecoveryProposed)
    async def advise(self, proposal: RecoveryProposed) -> Advice | None:
        if proposal.action != "restart":
            return None
        self.start_timer("drained", self.now_s + self.config.drain_s, key=proposal.target)
        return Advice(before=("drain",))

    async def on_timer(self, timer: Timer) -> None:
        await self.publish(Drained(target=timer.key, at_s=self.now_s))


class Fragile(Agent):
    """Crashes at every message."""

    @on(RecoveryProposed)
    async def fail(self, proposal: RecoveryProposed) -> None:
        raise RuntimeError(proposal.action)


def a_proposal(action: str = "restart") -> RecoveryProposed:
    return RecoveryProposed(
        target="cart", incident="1-1", action=action, attempt=1, deadline_s=100.0
    )


async def test_an_agent_answers_and_its_timers_ring_in_virtual_time(
    mendel_system: Rehearsal,
) -> None:
    await mendel_system.add(DrainFirst, drain_s=1800.0)

    answers = await mendel_system.ask_all(a_proposal())
    await mendel_system.advance(3600.0)

    assert answers == [Advice(before=("drain",))]
    assert mendel_system.heard(Drained) == [Drained(target="cart", at_s=1800.0)]
    assert mendel_system.now_s == 3600.0


async def test_wrong_settings_are_told_when_the_agent_is_added(mendel_system: Rehearsal) -> None:
    with pytest.raises(ValidationError, match="drain_s"):
        await mendel_system.add(DrainFirst, drain_s=-1.0)


async def test_an_agent_that_was_removed_hears_nothing(mendel_system: Rehearsal) -> None:
    await mendel_system.add(DrainFirst, name="drain")
    await mendel_system.remove("drain")

    assert await mendel_system.ask_all(a_proposal()) == []


async def test_crashes_are_there_to_be_looked_at_and_poison_is_set_aside(
    mendel_system: Rehearsal,
) -> None:
    first = await mendel_system.add(Fragile)
    await mendel_system.publish(a_proposal("explode"))

    assert [str(each) for each in mendel_system.crashes] == ["explode", "explode"]
    assert [each.reason for each in mendel_system.bus.dead_letters] == ["poison"]
    assert mendel_system.agent("fragile") is not first


@pytest.mark.virtual_time
async def test_crashes_that_nobody_looked_at_fail_the_test() -> None:
    rehearsal = Rehearsal()
    await rehearsal.add(Fragile)
    await rehearsal.publish(a_proposal())

    with pytest.raises(ExceptionGroup, match="did not look"):
        await rehearsal.close()


async def test_messages_of_other_types_are_left_out(mendel_system: Rehearsal) -> None:
    await mendel_system.publish(a_proposal())

    assert mendel_system.heard(TargetProbed) == []
    assert mendel_system.heard(RecoveryProposed) == [a_proposal()]
