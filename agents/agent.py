"""What an actor with a role is made of: typed handlers, timers, effects, a config.

An agent handles one message at a time, so its state needs no lock. It lives in a `Seat`, which
keeps its mailbox and timers when it crashes; the next life is a new object. A message whose handler
did not come to its end is handled again by the next life: at least once, never lost.
"""

from __future__ import annotations

import re
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    TypeVar,
    assert_never,
    get_args,
)

import msgspec
from msgspec import Struct, structs

from ..bus.consumers import is_async
from ..bus.local import LocalBus
from ..bus.mailbox import Overflow
from ..bus.messages import Message, Reconfigure, Reconfigured, RecoveryProposed
from ..bus.routes import Key
from ..core.effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from ..core.units import spelled_out
from .life import Life
from .ports import Journal
from .timers import Timer as Timer

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class AgentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the configs of all agents; empty, because agents have nothing in common to tune."""


if TYPE_CHECKING:
    # A plain `Agent` with a nested `Config` may use all of its fields.
    C = TypeVarWithDefault("C", bound=AgentConfig, default=Any)
else:
    C = TypeVar("C", bound=AgentConfig)

M = TypeVar("M", bound=Message)
R = TypeVar("R")


class Wish(NamedTuple):
    """Which messages an `on` wants, and what happens to them when the mailbox is full."""

    message_type: type[Message]
    subject: str
    overflow: Overflow
    queue: str
    key: Key | None

    def patterns(self, agent: str) -> tuple[str, ...]:
        """What to subscribe to on behalf of an agent of this name."""
        if self.subject:
            return (self.subject.replace("{name}", agent),)
        topic = self.message_type.topic
        return (topic, f"{topic}.>")


class Handler(NamedTuple):
    """A method that handles messages of one type; ``wish`` is None where nothing is subscribed."""

    function: Callable[[Any, Any], Any]
    is_async: bool
    wish: Wish | None


def on(
    message_type: type[M],
    *,
    subject: str = "",
    overflow: Overflow = Overflow.BLOCK,
    queue: str = "",
    key: Key | None = None,
) -> Callable[[Callable[[Any, M], R]], Callable[[Any, Any], R]]:
    """Let a method of an agent handle the messages of one type, and of its subclasses.

    The method may be asynchronous or not; a message that it returns answers a request.

    Args:
        message_type: what it handles; one method per type.
        subject: pattern to hear instead of the topic of the type and all below it; ``{name}``
            stands for the name of the agent.
        overflow: what happens to these messages when the mailbox is full.
        queue: queue group; exactly one of its members gets each message.
        key: for ``Overflow.LATEST``: what makes a message replace another, given its envelope.
    """

    def mark(method: Callable[[Any, M], R]) -> Callable[[Any, Any], R]:
        wishes = (*getattr(method, "__wishes__", ()), wish)
        method.__wishes__ = wishes  # type: ignore[attr-defined]  # A note on the function.
        return method

    wish = Wish(message_type, subject, overflow, queue, key)
    return mark


class Agent(Generic[C]):
    """An actor with a role; subclass it, and handle messages with `on`.

    The config class is ``Config`` of the class, or the ``C`` of ``Agent[C]``.

    Attributes:
        name: how it is addressed, unique in a system; the class name in kebab-case unless given.
        config: how it is tuned; changes only as a whole, by `reconfigure`.
        handlers: which method handles which type of message.
    """

    Config: ClassVar[type[AgentConfig]] = AgentConfig
    name: str = "agent"
    handlers: ClassVar[Mapping[type[Message], Handler]] = {}

    # Not in a dictionary of each agent: 200 bytes less.
    __slots__ = ("__dict__", "__life", "__weakref__", "config")

    __found: ClassVar[dict[type[Message], Handler | None]]
    __life: Life

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in cls.__dict__:
            cls.name = _WORD.sub("-", cls.__name__).lower()
        if "Config" not in cls.__dict__:
            _adopt_config(cls)
        cls.handlers = _handlers_of(cls)
        cls.__found = {}

    def __init__(self, config: C | None = None) -> None:
        self.config: C = self.Config() if config is None else config  # type: ignore[assignment]

    # --- what a subclass may override ---------------------------------------------------------

    async def on_start(self) -> None:
        """Called once before the first message of a life."""

    async def on_stop(self) -> None:
        """Called once at the end of a life, after a crash too; it has bounded time."""

    async def on_timer(self, timer: Timer) -> None:
        """Called when a timer that was started by `perform` or `start_timer` has rung."""

    def on_reconfigured(self, old: C) -> None:
        """Called when ``self.config`` is new; raise `ConfigError` to go back to the old one."""

    def consult(self, proposal: RecoveryProposed) -> None:
        """Carry out the effect `Consult`; only an agent that can wait for plug-ins does."""
        raise NotImplementedError(f"{self.name} cannot consult others about {proposal.action!r}")

    # --- what it may do -----------------------------------------------------------------------

    @property
    def bus(self) -> LocalBus:
        """Where it lives; `publish` and `request` here add who sends, and why."""
        return self.__life.bus

    @property
    def journal(self) -> Journal:
        """Memory that outlives this life."""
        journal = self.__life.journal
        assert journal is not None, f"{self.name} was given no journal"
        return journal

    @property
    def now_s(self) -> float:
        """Loop time in seconds; the only time that decisions use."""
        return self.__life.bus.now_s

    def publish(self, message: Message, *, subject: str | None = None) -> Awaitable[None]:
        """Send a message to all who listen; caused by the message in hand.

        It has been taken when the call returns; awaiting only waits for room.
        """
        life = self.__life
        return life.bus.publish(message, cause=life.cause(), subject=subject, sender=life.name)

    def request(
        self, message: Message, *, timeout_s: float, subject: str | None = None
    ) -> Awaitable[Message]:
        """Send a message and await the first answer, as `LocalBus.request` does.

        While a handler waits, the agent handles nothing else; `spawn` what may take long.
        """
        life = self.__life
        return life.bus.request(
            message, timeout_s=timeout_s, cause=life.cause(), subject=subject, sender=life.name
        )

    def request_all(
        self, message: Message, *, timeout_s: float, subject: str | None = None
    ) -> Awaitable[list[Message]]:
        """Send a message and await the answers, as `LocalBus.request_all` does."""
        life = self.__life
        return life.bus.request_all(
            message, timeout_s=timeout_s, cause=life.cause(), subject=subject, sender=life.name
        )

    async def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what a core wishes, in order and as a whole.

        Everything is done before the first await, so that a life that ends here leaves no list
        half-done; then the agent waits until there is room for what it has sent.
        """
        waits = [wait for effect in effects if (wait := self.__carry_out(effect)) is not None]
        for wait in waits:
            await wait

    def start_timer(self, name: str, due_s: float, key: str = "") -> None:
        """Have `on_timer` called at a loop time; a timer of the same name and key is replaced."""
        self.__life.timers.start(name, key, due_s)

    def cancel_timer(self, name: str, key: str = "") -> None:
        """Forget a timer; one that does not exist is no error."""
        self.__life.timers.cancel(name, key)

    def spawn(self, work: Coroutine[Any, Any, None], name: str = "") -> Task[None]:
        """Run something beside the mailbox, for as long as this life lasts.

        When it raises, the agent crashes; when the agent stops, it is cancelled.
        """
        return self.__life.spawn(work, name)

    def reconfigure(self, settings: Mapping[str, Any]) -> Reconfigured:
        """Change fields of the config, all or none; what is wrong with them is the answer's reason.

        Args:
            settings: fields to change, as they stand in a file.
        """
        old = self.config
        try:
            self.config = convert_config(type(self), settings, old)
            self.on_reconfigured(old)
        except (msgspec.ValidationError, ValueError) as error:
            self.config = old
            return Reconfigured(agent=self.name, accepted=False, reason=str(error))
        except BaseException:
            self.config = old
            raise
        return Reconfigured(agent=self.name, accepted=True)

    # --- how it is driven; private names are mangled, so that no subclass meets them -----------

    def begin(self, life: Life) -> None:
        """Be told that a life begins; called by the seat, once."""
        self.__life = life
        self.name = life.name

    @classmethod
    def handler_of(cls, message_type: type[Message]) -> Handler | None:
        """Who handles messages of a type: the method of the type itself or its nearest base."""
        if message_type not in cls.__found:
            kinds = (kind for kind in message_type.__mro__ if kind in cls.handlers)
            kind = next(kinds, None)
            cls.__found[message_type] = cls.handlers[kind] if kind is not None else None
        return cls.__found[message_type]

    @on(Reconfigure, subject="system.reconfigure.{name}")
    async def __on_reconfigure(self, wish: Reconfigure) -> Reconfigured | None:
        outcome = self.reconfigure(wish.settings)
        in_hand = self.__life.in_hand
        if in_hand is not None and in_hand.reply:
            return outcome
        await self.publish(outcome)
        return None

    async def __on_ring(self, timer: Timer) -> None:
        if self.__life.timers.take(timer):
            await self.on_timer(timer)

    def __carry_out(self, effect: Effect) -> Awaitable[None] | None:
        match effect:
            case Publish(message):
                return self.publish(message)
            case Record(record):
                self.journal.note(record)
            case Consult(proposal):
                self.consult(proposal)
            case StartTimer(name, key, due_s):
                self.__life.timers.start(name, key, due_s)
            case CancelTimer(name, key):
                self.__life.timers.cancel(name, key)
            case _:
                assert_never(effect)
        return None


def convert_config(
    agent_class: type[Agent[Any]], settings: Mapping[str, Any], base: AgentConfig | None = None
) -> Any:
    """The config of an agent class from fields as they stand in a file.

    Args:
        agent_class: whose config.
        settings: fields that differ from ``base``; those with a unit may be written as texts.
        base: the config to start from; its defaults when None.

    Raises:
        msgspec.ValidationError: a field is unknown, of the wrong type or out of bounds.
        ConfigError: a duration or size is not of its form, or the fields do not go together.
    """
    kind = agent_class.Config
    fields = {} if base is None else msgspec.to_builtins(base)
    return msgspec.convert(_laid_over(kind, fields, settings), kind)


def _laid_over(
    kind: type[Struct], fields: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Fields with settings as they stand in a file, those of nested configs included."""
    changed = spelled_out(settings, kind.__struct_fields__)
    for field in structs.fields(kind):
        inner = changed.get(field.name)
        is_nested = isinstance(field.type, type) and issubclass(field.type, Struct)
        if is_nested and isinstance(inner, Mapping):
            changed[field.name] = _laid_over(field.type, fields.get(field.name, {}), inner)
    return {**fields, **changed}


def _adopt_config(cls: type[Agent[Any]]) -> None:
    for base in cls.__dict__.get("__orig_bases__", ()):
        for argument in get_args(base):
            if isinstance(argument, type) and issubclass(argument, AgentConfig):
                cls.Config = argument


def _handlers_of(cls: type[Agent[Any]]) -> dict[type[Message], Handler]:
    found: dict[type[Message], tuple[str, Wish | None]] = {Timer: ("_Agent__on_ring", None)}
    for base in reversed(cls.__mro__):
        own: dict[type[Message], str] = {}
        for method, attribute in vars(base).items():
            for wish in getattr(attribute, "__wishes__", ()):
                other = own.setdefault(wish.message_type, method)
                if other != method:
                    raise TypeError(
                        f"{base.__name__}.{other} and .{method} both handle "
                        f"{wish.message_type.__name__}; one method per message type"
                    )
                found[wish.message_type] = (method, wish)
    return {
        kind: Handler(getattr(cls, method), is_async(getattr(cls, method)), wish)
        for kind, (method, wish) in found.items()
    }
