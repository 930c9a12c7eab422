"""What every agent keeps: it bears what it handles, and is as evolvable as it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, get_type_hints

import msgspec

from ...agents.agent import Agent, AgentConfig, convert_config
from ...bus.messages import Message, Reconfigure, Reconfigured
from ...core.gene import Gene
from ..rehearsal import Rehearsal
from .base import Contract, demand
from .samples import sample_of

# An agent may answer with a few messages for each target of an estate, but not without end.
ANSWERS_MAX = 10_000
# Long enough for the timers of most agents to ring.
AN_HOUR_S = 3600.0

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class AgentContract(Contract):
    """Suite for agents; subclass it and set ``agent_class``.

    Attributes:
        agent_class: what is tested.
        settings: fields of its config that it cannot do without, as they stand in a file.
    """

    agent_class: ClassVar[type[Agent[Any]]]
    settings: ClassVar[Mapping[str, Any]] = {}

    def messages(self) -> Sequence[Message]:
        """What it is given to handle; by default one made up of each type that it handles."""
        return [sample_of(kind) for kind in self._handled()]

    # --- what it says of itself ---------------------------------------------------------------

    def test_its_name_is_a_plain_word(self) -> None:
        """Its settings stand in the file under it."""
        name = self.agent_class.name
        demand(
            _NAME.fullmatch(name),
            f"its name {name!r} is not made of small letters, digits and hyphens; "
            'give the class another one: `name = "..."`',
        )

    def test_it_handles_something_or_acts_by_itself(self) -> None:
        """An agent that neither hears nor starts anything is no use."""
        overrides = {"on_start", "on_timer"} & vars(self.agent_class).keys()
        demand(
            self._handled() or overrides,
            f"no method of {self.agent_class.__name__} is marked with @on, and on_start is not its "
            "own: nothing would ever wake it",
        )

    def test_its_config_is_frozen_and_knows_its_fields(self) -> None:
        """So that a misspelled setting is told, and nobody changes one in passing."""
        config = self.agent_class.Config
        demand(
            issubclass(config, AgentConfig), f"{config.__qualname__} is no subclass of AgentConfig"
        )
        demand(
            config.__struct_config__.frozen,
            f"{config.__qualname__} is not frozen; write `class Config(AgentConfig, frozen=True, "
            "kw_only=True)`",
        )
        try:
            convert_config(self.agent_class, {**self.settings, "no-such-field": 1})
        except msgspec.ValidationError:
            return
        raise AssertionError(f"{config.__qualname__} takes settings that it does not have")

    def test_its_genes_lie_around_its_defaults(self) -> None:
        """Evolution starts from the defaults, so they have to be where it looks."""
        config = self._config()
        for name, gene in self._genes():
            value = getattr(config, name)
            if gene.low is None or gene.high is None:
                continue
            demand(
                gene.low <= value <= gene.high,
                f"{name} is {value:g} and its gene looks from {gene.low:g} to {gene.high:g} only",
            )

    # --- what it bears ------------------------------------------------------------------------

    def test_it_starts_and_stops_without_a_trace(self) -> None:
        """Agents are added and removed while the system runs."""

        async def body() -> None:
            async with self._living() as system:
                await system.remove(self.agent_class.name)

        self.run(body())

    def test_it_bears_every_message_that_it_handles(self) -> None:
        """And whatever its timers do in the hour after."""
        self.run(self._bears({}))

    def test_it_bears_a_message_twice(self) -> None:
        """A message whose handler was interrupted comes again."""

        async def body() -> None:
            async with self._living() as system:
                for message in self.messages():
                    await self._give(system, message, message)

        self.run(body())

    def test_its_next_life_goes_on(self) -> None:
        """After a crash it is another object, with the same mailbox."""

        async def body() -> None:
            async with self._living() as system:
                for message in self.messages():
                    await self._give(system, message)
                await system.remove(self.agent_class.name)
                await system.add(self.agent_class, **self.settings)
                for message in self.messages():
                    await self._give(system, message)

        self.run(body())

    def test_it_bears_both_ends_of_each_gene(self) -> None:
        """Evolution will try them."""
        for name, gene in self._genes():
            for end in (gene.low, gene.high):
                if end is not None:
                    value = int(end) if isinstance(getattr(self._config(), name), int) else end
                    self._bears_value(name, value)

    def test_it_takes_its_own_settings_while_it_runs(self) -> None:
        """New settings come as a message; these change nothing, so nothing may be wrong."""

        async def body() -> None:
            async with self._living() as system:
                settings = msgspec.to_builtins(self._config())
                wish = Reconfigure(agent=self.agent_class.name, settings=settings)
                answer = await system.ask(wish)
                assert isinstance(answer, Reconfigured), "agents answer it by themselves"
                demand(answer.accepted, f"it refuses the settings that it has: {answer.reason}")

        self.run(body())

    def test_the_same_messages_get_the_same_answers(self) -> None:
        """Replay depends on it: no clock but ``self.now_s``, no chance but a seeded one."""
        first, second = self._course(), self._course()
        for a, b in zip(first, second, strict=False):
            demand(a == b, f"once it sent {a}, and once {b}")
        demand(
            len(first) == len(second), f"once it sent {len(first)} messages, and once {len(second)}"
        )

    # --- how that is seen ---------------------------------------------------------------------

    def _handled(self) -> list[type[Message]]:
        handlers = self.agent_class.handlers
        return [kind for kind, each in handlers.items() if each.wish and kind is not Reconfigure]

    def _config(self) -> AgentConfig:
        config: AgentConfig = convert_config(self.agent_class, self.settings)
        return config

    def _genes(self) -> Iterator[tuple[str, Gene]]:
        hints = get_type_hints(self.agent_class.Config, include_extras=True)
        for name, hint in hints.items():
            for note in getattr(hint, "__metadata__", ()):
                if isinstance(note, Gene):
                    yield name, note

    def _bears_value(self, name: str, value: float) -> None:
        try:
            self.run(self._bears({name: value}))
        except msgspec.ValidationError as error:
            raise AssertionError(f"its gene looks where {name} may not be: {error}") from error
        except AssertionError as error:
            raise AssertionError(f"with {name}={value:g}: {error}") from error

    async def _bears(self, settings: Mapping[str, Any]) -> None:
        async with self._living(settings) as system:
            for message in self.messages():
                await self._give(system, message)
            await system.advance(AN_HOUR_S)

    def _course(self) -> list[Message]:
        sent: list[Message] = []

        async def body() -> None:
            async with self._living() as system:
                for message in self.messages():
                    await self._give(system, message)
                await system.advance(AN_HOUR_S)
                sent.extend(system.sent)

        self.run(body())
        return sent

    async def _give(self, system: Rehearsal, *messages: Message) -> None:
        """Publish messages; an agent that answers itself without end is stopped."""
        me, before = asyncio.current_task(), len(system.sent)
        assert me is not None, "a test runs in a task"

        def count(_: object) -> None:
            if len(system.sent) - before > ANSWERS_MAX:
                me.cancel()

        tap = system.bus.tap(count)
        try:
            await system.publish(*messages)
        except asyncio.CancelledError:
            kinds = ", ".join(sorted({type(each).__name__ for each in messages}))
            await system.remove(self.agent_class.name)
            raise AssertionError(
                f"it answers {kinds} with more than {ANSWERS_MAX:,} messages; does it hear itself?"
            ) from None
        finally:
            tap.close()

    @asynccontextmanager
    async def _living(self, settings: Mapping[str, Any] = {}) -> AsyncIterator[Rehearsal]:
        """The agent on a bus of its own; crashes are told with what it was handling."""
        system = Rehearsal()
        try:
            await system.add(self.agent_class, **{**self.settings, **settings})
            yield system
            if system.crashes:
                raise system.crashes[0]
        finally:
            assert system.crashes is not None  # Looked at, so that closing does not tell it again.
            await system.close()
