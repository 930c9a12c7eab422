"""Driving the cores of one estate by calling them: same decisions as the agents, no bus, no tasks.

The driver knows the cores by what goes in and what comes out, messages, timers and effects, so
whatever they learn to decide it decides too. It does not touch the outside: what is to be done
there (`RunAction`, `IsolateTarget`, `ReleaseTarget`) goes to ``carry_out``, and comes back as the
messages that Recovery would send.

Messages of the same moment are handled in the order in which the bus would bring them
(`mendel.runtime.healing.posts`), so that decisions through the driver and decisions through agents
are equal, record for record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import assert_never

from ...agents.agent import Agent
from ...agents.breaker import Breaker
from ...agents.coordinator import Coordinator
from ...agents.monitor import Monitor
from ...agents.ports import Journal, Probe, World
from ...agents.recovery import Recovery
from ...agents.sweep import Sweep
from ...agents.timers import Timer, Timers
from ...bus.messages import IsolateTarget, Message, RecoveryProposed, ReleaseTarget, RunAction
from ...core.effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from ...core.watching.rounds import Rounds
from ..factory import Parts
from .posts import Posts, Soon

Command = RunAction | IsolateTarget | ReleaseTarget


class Driver:
    """Hand messages and timers to the casebook and the rounds, and carry out what they wish.

    Args:
        parts: the cores.
        world: what there is to see; nothing is done to it.
        journal: where records go.
        clock: an event loop, or a `Clockwork`.
        carry_out: gets every command for the outside.
        hear: gets every message, as a tap on the bus would.
        heed: called whenever a look may have become due sooner.

    Attributes:
        rounds: when who is looked at.
    """

    def __init__(
        self,
        parts: Parts,
        world: World,
        journal: Journal,
        clock: Soon,
        *,
        carry_out: Callable[[Command], None],
        hear: Callable[[Message], object],
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        self._book = parts.casebook
        self._journal = journal
        self._clock = clock
        self._hear = hear
        self._heed = heed
        self.rounds: Rounds[Probe] = Rounds(parts.charts)
        self._world = world
        self._sweep = Sweep(world, self.rounds, is_read=lambda: True)
        self._posts = Posts(clock)

        def command(message: Message) -> None:
            assert isinstance(message, Command), f"{message} is no command"
            carry_out(message)

        # In the order in which the agents take their places on the bus.
        book = self._posts.add(_kinds(Coordinator), self._decide)
        self._posts.add(_kinds(Recovery), command)
        self._posts.add(_kinds(Breaker), command)
        eyes = self._posts.add(_kinds(Monitor), self._attend)
        self._timers = Timers(clock, lambda timer: self._posts.ring(book, timer))
        self._sweeps = Timers(clock, lambda timer: self._posts.ring(eyes, timer))
        self._sweep_s = math.inf

    def take_up(self) -> None:
        """Take up what an earlier run left open."""
        self.perform(self._book.begin(self._clock.time()))

    def watch(self, sweep_s: float = math.inf) -> None:
        """Begin the rounds.

        Args:
            sweep_s: how often to look for silence and the like; infinite when the caller does so
                itself, by `sweep`.
        """
        self._sweep_s = sweep_s
        now_s = self._clock.time()
        self.rounds.begin(self._world.probes, now_s)
        self.seen(self._sweep.annotations(now_s))
        self._sweep_later()

    def sweep(self) -> None:
        """Look for probes that have fallen silent, and at whatever else there is to see."""
        self.seen(self._sweep.look(self._clock.time()))

    def _sweep_later(self) -> None:
        if self._sweep_s < math.inf:
            due_s = self._sweep.next_s(self._clock.time(), self._sweep_s)
            self._sweeps.start("sweep", "", due_s)

    def tell(self, message: Message) -> None:
        """Let everybody know something, as publishing it would."""
        self._hear(message)
        self._posts.send(message)

    def seen(self, effects: list[Effect]) -> None:
        """Carry out what the rounds wish, and see to the looks that they have set."""
        if effects:
            self.perform(effects)
        self._heed()

    def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what a core wishes, in order and as a whole."""
        for effect in effects:
            match effect:
                case Publish(message):
                    self.tell(message)
                case Record(record):
                    self._journal.note(record)
                case Consult(proposal):
                    # Nobody is asked, and that is an answer; it comes as soon as one would.
                    self._clock.call_soon(partial(self._advise, proposal))
                case StartTimer(name, key, due_s):
                    self._timers.start(name, key, due_s)
                case CancelTimer(name, key):
                    self._timers.cancel(name, key)
                case _:
                    assert_never(effect)

    def _decide(self, message: Message) -> None:
        now_s = self._clock.time()
        if not isinstance(message, Timer):
            self.perform(self._book.on_message(message, now_s))
        elif self._timers.take(message):
            self.perform(self._book.on_timer(message.name, message.key, now_s))

    def _attend(self, message: Message) -> None:
        if isinstance(message, Timer):
            if self._sweeps.take(message):
                self.sweep()
                self._sweep_later()
            return
        self.seen(self.rounds.on_message(message, self._clock.time()))

    def _advise(self, proposal: RecoveryProposed) -> None:
        now_s = self._clock.time()
        self.perform(self._book.on_advice(proposal.target, (), now_s, proposal.incident))


def _kinds(agent: type[Agent]) -> Mapping[type[Message], object]:
    """What an agent listens to."""
    return {kind: None for kind, handler in agent.handlers.items() if handler.wish is not None}
