"""Who hears a subject: subscriptions, queue groups, taps, and a cache in front of the search."""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count

from .envelope import Envelope
from .mailbox import Mailbox, Overflow, _Slot
from .messages import Message
from .subjects import PatternMap, check_subject, is_system
from .taps import Tap

Put = Callable[[Envelope], Future[None] | None]
Key = Callable[[Envelope], Hashable]


class Subscription:
    """The wish of one mailbox for the messages of one pattern.

    Attributes:
        pattern: which subjects.
        mailbox: where their messages go.
        queue: name of the queue group that it is a member of, or empty.
        put_otherwise: delivers one message under any other policy than ``Overflow.BLOCK``; None
            under that one, which is nearly everybody's, and a method for each takes 64 bytes.
        owns_mailbox: whether the mailbox ends with it.
    """

    __slots__ = (
        "_end",
        "mailbox",
        "number",
        "owns_mailbox",
        "pattern",
        "put_otherwise",
        "queue",
    )

    def __init__(
        self,
        pattern: str,
        mailbox: Mailbox,
        *,
        queue: str,
        overflow: Overflow,
        key: Key | None,
        end: Callable[[Subscription], None],
        number: int,
    ) -> None:
        self.pattern = pattern
        self.mailbox = mailbox
        self.queue = queue
        self.number = number
        self.owns_mailbox = False
        self.put_otherwise = _put(mailbox, overflow, key)
        self._end = end

    def unsubscribe(self) -> None:
        """Hear nothing more; doing it twice is no error.

        What waits in a mailbox of its own becomes dead letters (``closed``); a message that is
        being handled is handled to its end.
        """
        self._end(self)


def _put(mailbox: Mailbox, overflow: Overflow, key: Key | None) -> Put | None:
    match overflow:
        case Overflow.BLOCK:
            return None
        case Overflow.DROP_NEWEST:
            return mailbox.put_if_room
        case Overflow.DROP_OLDEST:
            key = _by_id
        case Overflow.LATEST:
            key = key or _by_subject
    waiting: OrderedDict[Hashable, _Slot] = OrderedDict()
    return lambda envelope: mailbox.put_droppable(envelope, waiting, key(envelope))


def _by_id(envelope: Envelope) -> Hashable:
    return envelope.id


def _by_subject(envelope: Envelope) -> Hashable:
    return envelope.subject


class _Turn:
    """Whose turn it is in a queue group; shared by all subjects that the group hears."""

    __slots__ = ("members", "position")

    def __init__(self) -> None:
        self.members = 0
        self.position = 0


class Group:
    """Members of one queue group that hear one subject; exactly one gets each message."""

    __slots__ = ("_members", "_turn")

    def __init__(self, members: tuple[Subscription, ...], turn: _Turn) -> None:
        self._members = members
        self._turn = turn

    def pick(self) -> Subscription:
        """The next member in turn that has room, or simply the next one when none has."""
        members, turn = self._members, self._turn
        for position in range(turn.position, turn.position + len(members)):
            member = members[position % len(members)]
            if member.mailbox.has_room:
                break
        else:
            position = turn.position
            member = members[position % len(members)]
        turn.position = position + 1
        return member


class Route:
    """Where the messages of one subject go.

    Attributes:
        subject: which one.
        blocking: the mailboxes that hear it, if all of them do so under ``Overflow.BLOCK`` and in
            the user lane; else empty, and `receivers` tells.
        mailboxes: all that hear it; empty when groups have to pick theirs first.
        puts: what delivers to each of them.
        taps: who listens in.
    """

    __slots__ = (
        "_direct",
        "_groups",
        "_is_system",
        "blocking",
        "mailboxes",
        "puts",
        "subject",
        "taps",
    )

    def __init__(
        self,
        subject: str,
        direct: tuple[Subscription, ...],
        groups: tuple[Group, ...],
        taps: tuple[Tap, ...],
    ) -> None:
        self.subject = subject
        self.taps = taps
        self._groups = groups
        self._is_system = is_system(subject)
        self._direct = direct
        all_block = all(each.put_otherwise is None for each in direct)
        is_simple = all_block and not groups and not self._is_system
        self.mailboxes = () if groups else tuple(each.mailbox for each in direct)
        self.puts = () if groups else tuple(map(self.put_of, direct))
        self.blocking = self.mailboxes if is_simple else ()

    def receivers(self) -> tuple[Subscription, ...]:
        """Who gets the next message: all plain subscriptions and the next of each group.

        A mailbox gets it once, whichever way it is reached.
        """
        if not self._groups:
            return self._direct
        receivers = {subscription.mailbox: subscription for subscription in self._direct}
        for group in self._groups:
            member = group.pick()
            receivers.setdefault(member.mailbox, member)
        return tuple(receivers.values())

    @property
    def is_heard(self) -> bool:
        """Whether anybody gets its messages."""
        return bool(self._direct or self._groups)

    def put_of(self, subscription: Subscription) -> Put:
        """What delivers a message of this route to a subscription."""
        if self._is_system:
            return subscription.mailbox.put_system
        return subscription.put_otherwise or subscription.mailbox.put


class Routes:
    """All subscriptions and taps of a bus, and the routes that follow from them.

    A route is found once and kept until somebody subscribes, unsubscribes or taps. At most
    ``capacity`` routes are kept; one more, and all are found afresh.

    Attributes:
        by_type: routes of the messages whose type alone tells the subject. The bus looks here
            first: to make the subject of a message costs as much as to deliver it.
        by_subject: all routes that are kept; the bus looks here when it is given a subject.
    """

    def __init__(self, capacity: int) -> None:
        self.by_type: dict[type[Message], Route] = {}
        self._by_target: dict[type[Message], dict[str, Route]] = {}
        self.by_subject: dict[str, Route] = {}
        self._reached: dict[str, bool] = {}
        self._capacity = capacity
        self._subscriptions: PatternMap[Subscription] = PatternMap()
        self._taps: PatternMap[Tap] = PatternMap()
        self._turns: dict[str, _Turn] = {}
        self._by_mailbox: dict[Mailbox, tuple[Subscription, ...]] = {}
        self._numbers = count()

    def subscribe(
        self,
        pattern: str,
        mailbox: Mailbox,
        *,
        queue: str,
        overflow: Overflow,
        key: Key | None,
        end: Callable[[Subscription], None],
    ) -> Subscription:
        """Let a mailbox hear a pattern.

        Raises:
            SubjectError: the pattern is not well formed.
        """
        subscription = Subscription(
            pattern,
            mailbox,
            queue=queue,
            overflow=overflow,
            key=key,
            end=end,
            number=next(self._numbers),
        )
        self._subscriptions.add(pattern, subscription)
        self._by_mailbox[mailbox] = (*self._by_mailbox.get(mailbox, ()), subscription)
        if queue:
            self._turns.setdefault(queue, _Turn()).members += 1
        self._forget_routes()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Take a subscription out; one that is out already is no error."""
        siblings = self._by_mailbox.get(subscription.mailbox, ())
        if subscription not in siblings:
            return
        others = tuple(each for each in siblings if each is not subscription)
        if others:
            self._by_mailbox[subscription.mailbox] = others
        else:
            del self._by_mailbox[subscription.mailbox]
        self._subscriptions.remove(subscription.pattern, subscription)
        if subscription.queue:
            self._leave(subscription.queue)
        self._forget_routes()

    def forget(self, mailbox: Mailbox) -> None:
        """Take all subscriptions of a mailbox out."""
        for subscription in self._by_mailbox.get(mailbox, ()):
            self.unsubscribe(subscription)

    def add_tap(self, tap: Tap) -> None:
        """Let a tap listen in.

        Raises:
            SubjectError: its pattern is not well formed.
        """
        self._taps.add(tap.pattern, tap)
        self._forget_routes()

    def remove_tap(self, tap: Tap) -> None:
        """Take a tap out."""
        self._taps.remove(tap.pattern, tap)
        self._forget_routes()

    def of(self, message: Message) -> Route:
        """The route of a message that goes to its own subject.

        Raises:
            SubjectError: the subject is not well formed.
        """
        kind = type(message)
        if kind in self.by_type:
            return self.by_type[kind]
        if kind in self._by_target:
            route = self._by_target[kind].get(message.target)  # type: ignore[attr-defined]
            if route is not None:
                return route
        route = self.find(message.subject)
        if kind.subject is Message.subject:  # Else the type may make it of anything.
            if hasattr(message, "target"):
                self._by_target.setdefault(kind, {})[message.target] = route
            else:
                self.by_type[kind] = route
        return route

    def find(self, subject: str) -> Route:
        """The route of a subject, from the cache or found afresh.

        Raises:
            SubjectError: the subject is not well formed.
        """
        route = self.by_subject.get(subject)
        if route is None:
            check_subject(subject)
            if len(self.by_subject) >= self._capacity:
                self._forget_routes()
            self.by_subject[subject] = route = self._build(subject)
        return route

    def reaches(self, topic: str) -> bool:
        """Whether anybody, taps included, hears what is sent below a topic."""
        reached = self._reached.get(topic)
        if reached is None:
            if len(self._reached) >= self._capacity:
                self._reached.clear()
            reached = self._reached[topic] = self._is_reached(topic)
        return reached

    def _is_reached(self, topic: str) -> bool:
        if any(True for _ in self._subscriptions.below(topic)):
            return True
        return any(each.without != f"{topic}.>" for each in self._taps.below(topic))

    def _forget_routes(self) -> None:
        self._reached.clear()
        self.by_type.clear()
        self._by_target.clear()
        self.by_subject.clear()

    def _leave(self, queue: str) -> None:
        turn = self._turns[queue]
        turn.members -= 1
        if not turn.members:
            del self._turns[queue]

    def _build(self, subject: str) -> Route:
        direct: dict[Mailbox, Subscription] = {}
        queues: dict[str, dict[Mailbox, Subscription]] = {}
        for subscription in sorted(self._subscriptions.find(subject), key=_number):
            into = queues.setdefault(subscription.queue, {}) if subscription.queue else direct
            into.setdefault(subscription.mailbox, subscription)
        groups = tuple(
            Group(tuple(members.values()), self._turns[queue]) for queue, members in queues.items()
        )
        taps = tuple(tap for tap in self._taps.find(subject) if tap.wants(subject))
        return Route(subject, tuple(direct.values()), groups, taps)


def _number(subscription: Subscription) -> int:
    return subscription.number
