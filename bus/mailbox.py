"""The queue of one actor: two lanes, a bound, and what happens at the bound.

The system lane goes first and has no bound, because what steers the system must get through when
everything else is stuck; its depth is counted. In the user lane the bound is felt as the policy of
each subscription says. Under ``BLOCK`` a message beyond the bound is *parked*: it has its place in
the lane at once and keeps it, only its sender is asked to wait; so a sender that is cancelled while
it waits has lost nothing, and the order of its messages never changes. How many may be parked is
bounded too.

A separate queue of waiting senders, as asyncio.Queue has, was turned down: a message that only its
sender holds is lost with the sender, and overtaken by the sender's next plain call.
"""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Hashable
from enum import StrEnum
from types import coroutine
from typing import Any, Protocol, cast, final

from msgspec import Struct

from .dead_letters import DeadReason
from .envelope import Envelope
from .subjects import is_system
from .wakes import Consumer, Nap, Wakes

DEFAULT_CAPACITY = 1024
# One message per waiting sender; more means that a sender does not wait at all.
PARKED_LIMIT = 4096


class Overflow(StrEnum):
    """What a full mailbox does with one more message of a subscription."""

    BLOCK = "block"  # Ask the sender to wait.
    DROP_OLDEST = "drop_oldest"  # Give up this subscription's oldest waiting message.
    DROP_NEWEST = "drop_newest"  # Do not take it.
    LATEST = "latest"  # Full or not, keep only the newest of each key, in the oldest one's place.


class MailboxStats(Struct, frozen=True):
    """How one mailbox is doing.

    Attributes:
        name: whose mailbox.
        depth: messages that wait in the user lane, parked ones included.
        system_depth: messages that wait in the system lane.
        parked: messages beyond the bound, whose senders were asked to wait.
        high_water: greatest depth of the user lane so far.
        age_s: how long the oldest waiting message has been under way; 0.0 when none waits.
        taken: messages handed to the handler so far; one that is put back counts again.
        dropped: messages that were not handled, by reason.
    """

    name: str
    depth: int
    system_depth: int
    parked: int
    high_water: int
    age_s: float
    taken: int
    dropped: dict[str, int]


class Bury(Protocol):
    """What a mailbox does with a message that will not be handled."""

    def __call__(
        self, envelope: Envelope, reason: DeadReason, mailbox: Mailbox, detail: str = ""
    ) -> None:
        """Do it."""
        ...


@final
class _Slot:
    """Place in the lane of a message that may be dropped or replaced while it waits."""

    __slots__ = ("_key", "_waiting", "envelope")

    def __init__(
        self, envelope: Envelope, waiting: OrderedDict[Hashable, _Slot], key: Hashable
    ) -> None:
        self.envelope = envelope
        self._waiting = waiting
        self._key = key

    def leave(self) -> Envelope:
        del self._waiting[self._key]
        return self.envelope


# The user lane of a mailbox that waits for messages: an empty deque takes 760 bytes. As a tuple it
# cannot take a message by mistake.
_NO_LANE = cast("deque[Envelope | _Slot]", ())


class Mailbox:
    """Bounded queue of one actor, read by one consumer at a time.

    Attributes:
        name: whose mailbox, in statistics, logs and ask cycles.
        capacity: bound of the user lane.
        parked_limit: how many messages beyond the bound may have their senders waiting.
        idle: whether its consumer has nothing in hand, so that the next message must wake it.
        lane: the user lane; a new one after each wait. A sender may append to it itself while it
            is shorter than ``mark``; a consumer may take from its left itself unless it is
            ``mixed``.
        mark: depth from which a message needs `put`: 0 when the consumer has to be woken, else the
            high-water mark, else the capacity. One comparison instead of three for each message.
        mixed: whether the next message needs `take`, because the system lane, a place that may be
            replaced or a parked sender has to be thought of.
        consumer: who is woken when a message comes to an idle mailbox; None when nobody reads it.
        closed: whether nothing will come any more, so that the consumer may end.
        taken: messages handed to the consumer so far; one that was put back counts again.
        high_water: greatest depth of the user lane so far.
        dropped: messages that were not handled, by reason; None as long as there are none.
    """

    __slots__ = (
        "_bury",
        "_emptied",
        "_has_slots",
        "_mark_awake",
        "_now",
        "_parked",
        "_system",
        "_wakes",
        "capacity",
        "closed",
        "consumer",
        "dropped",
        "high_water",
        "idle",
        "lane",
        "mark",
        "mixed",
        "name",
        "parked_limit",
        "taken",
    )

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        wakes: Wakes,
        now: Callable[[], float],
        bury: Bury,
        parked_limit: int = PARKED_LIMIT,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity of mailbox {name!r} is {capacity}; it holds at least 1")
        self.name = name
        self.capacity = capacity
        self.idle = True
        self.mark = self._mark_awake = 0
        self.mixed = False
        self.closed = False
        self.consumer: Consumer | None = None
        self.taken = 0
        self.high_water = 0
        self.dropped: dict[DeadReason, int] | None = None
        self._wakes = wakes
        self._now = now
        self._bury = bury
        self.parked_limit = parked_limit
        self.lane = _NO_LANE
        self._system: deque[Envelope] | None = None  # Most mailboxes never need one: 600 bytes.
        self._parked: deque[Future[None]] | None = None
        self._emptied: list[Future[None]] | None = None
        self._has_slots = False

    def __len__(self) -> int:
        return len(self.lane) + (len(self._system) if self._system else 0)

    @property
    def has_room(self) -> bool:
        """Whether one more message fits without anybody feeling it."""
        return len(self.lane) < self.capacity

    # --- putting in ---------------------------------------------------------------------------

    def put(self, envelope: Envelope) -> Future[None] | None:
        """Take a message; beyond the bound, return what its sender should wait for."""
        depth = len(self.lane)
        if depth >= self.capacity:
            return self._park(envelope)
        if depth == 0 and self.lane is _NO_LANE:
            self.lane = deque()
        self.lane.append(envelope)
        if depth >= self.high_water:
            self.high_water = self._mark_awake = depth + 1
        self.mark = self._mark_awake
        if self.idle:  # As `wake` does: for a lone message one call more would be felt.
            self.idle = False
            if self.consumer is not None:
                self._wakes.add(self.consumer)
        return None

    def put_many(self, envelopes: list[Envelope]) -> Future[None] | None:
        """Take messages as `put` does; what it returns is resolved when all of them have room."""
        room = self.capacity - len(self.lane)
        if room >= len(envelopes):
            self._opened().extend(envelopes)
            self._note_arrival()
            return None
        rooms = [self.put(envelope) for envelope in envelopes]
        return next((last for last in reversed(rooms) if last is not None), None)

    def put_system(self, envelope: Envelope) -> None:
        """Take a message ahead of all others, however full the mailbox is."""
        if self._system is None:
            self._system = deque()
        self._system.append(envelope)
        self.mixed = True
        self._note_arrival()

    def put_droppable(
        self, envelope: Envelope, waiting: OrderedDict[Hashable, _Slot], key: Hashable
    ) -> None:
        """Take a message that may be replaced by a newer one of its key, or dropped for room.

        Args:
            envelope: the message.
            waiting: those of the same subscription that wait, oldest first; kept by the mailbox.
            key: what a newer message has to share in order to replace it.
        """
        slot = waiting.get(key)
        if slot is not None:
            self.drop(slot.envelope, DeadReason.SUPERSEDED)
            slot.envelope = envelope
            return
        if not self.has_room:
            if not waiting:
                self.drop(envelope, DeadReason.MAILBOX_FULL)
                return
            oldest = next(iter(waiting.values()))
            self.lane.remove(oldest)
            self.drop(oldest.leave(), DeadReason.DROPPED_OLDEST)
        self._has_slots = self.mixed = True
        waiting[key] = slot = _Slot(envelope, waiting, key)
        self._opened().append(slot)
        self._note_arrival()

    def put_if_room(self, envelope: Envelope) -> None:
        """Take a message, or drop it when there is no room."""
        if self.has_room:
            self.put(envelope)
        else:
            self.drop(envelope, DeadReason.MAILBOX_FULL)

    def put_back(self, envelope: Envelope) -> None:
        """Return a message that was taken and not handled to the front of its lane."""
        if is_system(envelope.subject):
            if self._system is None:
                self._system = deque()
            self._system.appendleft(envelope)
            self.mixed = True
        else:
            self._opened().appendleft(envelope)

    def drop(self, envelope: Envelope, reason: DeadReason, detail: str = "") -> None:
        """Give a message up: count it and make it a dead letter."""
        if self.dropped is None:
            self.dropped = {}
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._bury(envelope, reason, self, detail)

    def _park(self, envelope: Envelope) -> Future[None] | None:
        if self._parked is None:
            self._parked = deque()
        if len(self._parked) >= self.parked_limit:
            self.drop(envelope, DeadReason.PARKED_FULL, f"{len(self._parked)} wait for room")
            return None
        room: Future[None] = self._wakes.loop.create_future()
        self.lane.append(envelope)
        self._parked.append(room)
        self.mixed = True
        self._note_arrival()
        return room

    def _opened(self) -> deque[Envelope | _Slot]:
        if self.lane is _NO_LANE:
            self.lane = deque()
        return self.lane

    def _note_arrival(self) -> None:
        if len(self.lane) > self.high_water:
            self.high_water = len(self.lane)
            self._mark_awake = min(self.high_water, self.capacity)
        self._opened()  # From now on senders append by themselves.
        self.mark = self._mark_awake
        self.wake()

    # --- taking out ---------------------------------------------------------------------------

    def take(self) -> Envelope | None:
        """The next message to handle, the system lane first; None when none waits."""
        if self.lane and not self.mixed:
            self.taken += 1
            return self.lane.popleft()  # type: ignore[return-value]  # No slots while not mixed.
        if self._system:
            envelope = self._system.popleft()
        elif self.lane:
            item = self.lane.popleft()
            envelope = item.leave() if isinstance(item, _Slot) else item
            if self._parked:
                self._resolve(self._parked.popleft())
        else:
            return None
        self.mixed = self._has_slots or bool(self._system) or bool(self._parked)
        self.taken += 1
        return envelope

    def shed(self, most: int) -> int:
        """Leave no more than so many messages waiting, beside those of the system lane.

        The oldest become dead letters; whoever waits for room gets it.

        Returns:
            How many became dead letters.
        """
        count = max(0, len(self.lane) - most)
        for _ in range(count):
            item = self.lane.popleft()
            envelope = item.leave() if isinstance(item, _Slot) else item
            if self._parked:
                self._resolve(self._parked.popleft())
            self.drop(envelope, DeadReason.DROPPED_OLDEST, f"more than {most} were waiting")
        self.mixed = self._has_slots or bool(self._system) or bool(self._parked)
        return count

    def drop_expired(self, envelope: Envelope) -> bool:
        """Drop a request that nobody waits for any more; whether it was one."""
        if envelope.deadline_s is None or envelope.deadline_s > self._now():
            return False
        self.taken -= 1
        self.drop(envelope, DeadReason.EXPIRED)
        return True

    @coroutine
    def arrival(self) -> Generator[Any, None, None]:
        """Wait, as the consumer that has found the mailbox empty, until that may have changed."""
        nap = self.consumer
        if not isinstance(nap, Nap):
            self.consumer = nap = Nap(self._wakes)
        self.idle = True
        self.mark = 0
        if not self.lane:
            self.lane = _NO_LANE
        if self._emptied:
            self.rest()
        nap._asyncio_future_blocking = True
        yield nap

    def rest(self) -> None:
        """Note that the consumer has nothing in hand."""
        self.idle = True
        self.mark = 0
        if not self.lane:
            self.lane = _NO_LANE
        while self._emptied and not self:
            self._resolve(self._emptied.pop())

    def wake(self) -> None:
        """Let the consumer look around, though perhaps no message has come."""
        if self.idle:
            self.idle = False
            if self.consumer is not None:
                self._wakes.add(self.consumer)

    def close(self) -> None:
        """Give up all that waits (``closed``), and let the consumer end."""
        self.closed = True
        while self._system:
            self.drop(self._system.popleft(), DeadReason.CLOSED)
        while self.lane:
            item = self.lane.popleft()
            self.drop(item.leave() if isinstance(item, _Slot) else item, DeadReason.CLOSED)
        while self._parked:
            self._resolve(self._parked.popleft())
        if self.idle:
            self.rest()
        self.wake()

    @property
    def is_busy(self) -> bool:
        """Whether a message waits or is in hand."""
        return bool(self) or not self.idle

    async def emptied(self) -> None:
        """Wait until no message waits and none is in hand."""
        while self.is_busy:
            emptied: Future[None] = self._wakes.loop.create_future()
            self._emptied = [*(self._emptied or ()), emptied]
            await emptied

    def stats(self) -> MailboxStats:
        """How it is doing now."""
        return MailboxStats(
            name=self.name,
            depth=len(self.lane),
            system_depth=len(self._system or ()),
            parked=len(self._parked or ()),
            high_water=self.high_water,
            age_s=self._age_s(),
            taken=self.taken,
            dropped={str(reason): count for reason, count in (self.dropped or {}).items()},
        )

    def _age_s(self) -> float:
        oldest = [self._system[0]] if self._system else []
        if self.lane:
            first = self.lane[0]
            oldest.append(first.envelope if isinstance(first, _Slot) else first)
        now_s = self._now()
        return max((now_s - envelope.sent_s for envelope in oldest), default=0.0)

    @staticmethod
    def _resolve(future: Future[None]) -> None:
        if not future.done():  # Whoever waited for it may have been cancelled.
            future.set_result(None)
