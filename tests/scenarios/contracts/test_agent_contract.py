"""Each rule for agents finds whoever breaks it, and says it in words that help."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Annotated, Any, Literal

import pytest
from mendel.agents import Agent, AgentConfig, Timer, on
from mendel.agents.agent import AgentConfig as Base
from mendel.bus.messages import Advice, AnomalyDetected, Message, RecoveryProposed, Status
from mendel.core.gene import Gene
from mendel.scenarios.contracts import Verdict, verdicts
from mendel.scenarios.contracts.samples import sample_of
from mendel.scenarios.testing import AgentContract
from msgspec import Meta, Struct

TICKETS = count()


class Sound(Agent):
    """Keeps everything."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        drain_s: Annotated[float, Meta(gt=0), Gene(low=0.5, high=30, scale="log")] = 3.0
        tries: Annotated[int, Meta(ge=1), Gene(low=1, high=5)] = 2

    @on(RecoveryProposed)
    async def advise(self, proposal: RecoveryProposed) -> Advice:
        self.start_timer("drained", self.now_s + self.config.drain_s, key=proposal.target)
        return Advice(before=("drain",))

    async def on_timer(self, timer: Timer) -> None:
        del timer


class OddlyNamed(Sound):
    name = "Oddly Named"


class Idle(Agent):
    pass


class Thawed(Agent):
    class Config(AgentConfig, frozen=False, kw_only=True):  # type: ignore[misc]  # On purpose.
        pass

    @on(RecoveryProposed)
    def take(self, _: RecoveryProposed) -> None:
        pass


class Permissive(Agent):
    class Config(Base, frozen=True, kw_only=True, forbid_unknown_fields=False):
        pass

    @on(RecoveryProposed)
    def take(self, _: RecoveryProposed) -> None:
        pass


class Elsewhere(Sound):
    class Config(AgentConfig, frozen=True, kw_only=True):
        drain_s: Annotated[float, Gene(low=10.0, high=30.0)] = 3.0


class OutOfBounds(Sound):
    class Config(AgentConfig, frozen=True, kw_only=True):
        drain_s: Annotated[float, Meta(le=20), Gene(low=1.0, high=30.0)] = 3.0


class WeakAtTheEnd(Sound):
    @on(RecoveryProposed)
    async def advise(self, proposal: RecoveryProposed) -> Advice:
        assert self.config.tries < 5, "five is too many"
        return Advice()


class Untidy(Sound):
    async def on_start(self) -> None:
        self.kept = asyncio.get_running_loop().create_task(asyncio.sleep(10_000), name="forgotten")


class Crashing(Agent):
    @on(AnomalyDetected)
    def fail(self, message: AnomalyDetected) -> None:
        raise RuntimeError(f"no such metric: {message.metric}")


class CrashingLater(Agent):
    @on(RecoveryProposed)
    def wait(self, _: RecoveryProposed) -> None:
        self.start_timer("later", self.now_s + 600.0)

    async def on_timer(self, timer: Timer) -> None:
        raise RuntimeError(timer.name)


class OnlyOnce(Agent):
    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.seen: set[str] = set()

    @on(RecoveryProposed)
    def take(self, proposal: RecoveryProposed) -> None:
        assert proposal.incident not in self.seen, "seen already"
        self.seen.add(proposal.incident)


class OneLife(Agent):
    lives = 0

    async def on_start(self) -> None:
        type(self).lives += 1
        assert type(self).lives % 2, "there is another one already"

    @on(RecoveryProposed)
    def take(self, _: RecoveryProposed) -> None:
        pass


class Stubborn(Sound):
    def on_reconfigured(self, old: Any) -> None:
        raise ValueError(f"{old} is good enough")


class Wavering(Agent):
    @on(RecoveryProposed)
    async def tell(self, proposal: RecoveryProposed) -> None:
        reason = f"ticket {next(TICKETS)}"
        anomaly = AnomalyDetected(
            target=proposal.target,
            metric="gut_feeling",
            value=1.0,
            score=1.0,
            onset_s=self.now_s,
            detected_s=self.now_s,
            reason=reason,
        )
        await self.publish(anomaly)


class Threaded(Agent):
    @on(RecoveryProposed)
    async def think(self, _: RecoveryProposed) -> None:
        await asyncio.to_thread(time.sleep, 0.001)


class Echo(Agent):
    @on(AnomalyDetected)
    async def repeat(self, anomaly: AnomalyDetected) -> None:
        await self.publish(anomaly)


BEARS = "it bears every message that it handles"
MUTANTS = [
    (OddlyNamed, "its name is a plain word", "'Oddly Named' is not made of small letters"),
    (Idle, "it handles something or acts by itself", "no method of Idle is marked with @on"),
    (Thawed, "its config is frozen and knows its fields", "is not frozen"),
    (Permissive, "its config is frozen and knows its fields", "takes settings that it does not"),
    (Elsewhere, "its genes lie around its defaults", "drain_s is 3 and its gene looks from 10 to"),
    (OutOfBounds, "it bears both ends of each gene", "its gene looks where drain_s may not be"),
    (WeakAtTheEnd, "it bears both ends of each gene", "with tries=5: five is too many"),
    (Untidy, "it starts and stops without a trace", "tasks are left behind: forgotten"),
    (Crashing, BEARS, "RuntimeError: no such metric: latency_s"),
    (CrashingLater, BEARS, "RuntimeError: later"),
    (OnlyOnce, "it bears a message twice", "seen already"),
    (OneLife, "its next life goes on", "there is another one already"),
    (Stubborn, "it takes its own settings while it runs", "it refuses the settings that it has"),
    (Wavering, "the same messages get the same answers", "ticket"),
    (Threaded, BEARS, "VirtualTimeError: a thread"),
    (Echo, BEARS, "it answers AnomalyDetected with more than 10,000 messages"),
]


def verdicts_on(kind: type[Agent[Any]]) -> list[Verdict]:
    OneLife.lives = 0

    class Suite(AgentContract):
        agent_class = kind

    return list(verdicts(Suite))


class TestSound(AgentContract):
    """As a user writes it: pytest finds the tests."""

    agent_class = Sound


def test_an_agent_that_keeps_everything_is_told_so() -> None:
    found = verdicts_on(Sound)

    assert [each.rule for each in found if not each.kept] == []
    assert len(found) == 11


@pytest.mark.parametrize(
    ("kind", "rule", "words"), MUTANTS, ids=[f"{kind.__name__}" for kind, _, _ in MUTANTS]
)
def test_whoever_breaks_a_rule_is_told(kind: type[Agent[Any]], rule: str, words: str) -> None:
    broken = {each.rule: each.detail for each in verdicts_on(kind) if not each.kept}

    assert rule in broken
    assert words in broken[rule]


def test_every_rule_has_somebody_who_breaks_it() -> None:
    assert {each.rule for each in verdicts_on(Sound)} == {rule for _, rule, _ in MUTANTS}


class TestWithSettingsAndMessages(AgentContract):
    """What cannot be made up is given."""

    settings = {"target": "db"}  # noqa: RUF012

    class Guarding(Agent):
        class Config(AgentConfig, frozen=True, kw_only=True):
            target: str

        @on(RecoveryProposed)
        def advise(self, proposal: RecoveryProposed) -> Advice:
            assert proposal.target == "db", "it was given another message"
            return Advice()

    agent_class = Guarding

    def messages(self) -> list[Message]:
        return [
            RecoveryProposed(
                target="db", incident="1-1", action="restart", attempt=1, deadline_s=9.0
            )
        ]


class Part(Struct, frozen=True):
    size: Annotated[int, Meta(gt=5, lt=9)]


class Everything(Message, frozen=True, kw_only=True):
    """For these tests: a field of each sort."""

    text: str
    action: str
    number: float
    small: Annotated[float, Meta(gt=0, lt=0.5)]
    whole: Annotated[int, Meta(ge=10)]
    few: Annotated[int, Meta(le=0)]
    flag: bool
    status: Status
    choice: Literal["a", "b"]
    maybe: str | None
    either: int | str
    many: tuple[str, ...]
    pair: tuple[int, str]
    items: list[int]
    names: frozenset[str]
    table: dict[str, float]
    part: Part
    anything: Any
    given: str = "as it is"


def test_messages_are_made_up_within_bounds() -> None:
    assert sample_of(Everything) == Everything(
        text="cart",
        action="restart",
        number=1.0,
        small=0.25,
        whole=10,
        few=0,
        flag=True,
        status=Status.HEALTHY,
        choice="a",
        maybe=None,
        either=1,
        many=("cart",),
        pair=(1, "cart"),
        items=[1],
        names=frozenset({"cart"}),
        table={},
        part=Part(6),
        anything=None,
    )
