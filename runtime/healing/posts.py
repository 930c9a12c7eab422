"""Messages between cores without a bus, in the very order in which the bus would bring them.

Decisions of the same moment depend on their order, so equal decisions need equal order. A core has
a post with two lanes, as an agent has a mailbox; whoever gets a message while its post is empty has
its turn after those who wait already, and then handles all that has come (`mendel.bus.wakes`). What
is left out is what messages cost: envelopes, bounds, tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from ...agents.timers import Timer
from ...bus.alarms import Clock
from ...bus.consumers import BATCH
from ...bus.messages import Message
from ...bus.wakes import WAKES_IN_A_ROW

Handle = Callable[[Message], None]


class Soon(Clock, Protocol):
    """A clock that can also call back before time goes on, as event loops can."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call back after what runs now."""
        ...


class Post:
    """Where the messages for one core wait.

    Args:
        handle: what the core does with each.
    """

    __slots__ = ("handle", "is_idle", "lane", "urgent")

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.is_idle = True
        self.lane: deque[Message] = deque()
        self.urgent: deque[Message] = deque()

    def take(self) -> Message | None:
        """The next message, timers and what steers the system first."""
        if self.urgent:
            return self.urgent.popleft()
        return self.lane.popleft() if self.lane else None


class Posts:
    """The posts of all cores, and whose turn it is.

    Args:
        clock: calls back soon.
    """

    def __init__(self, clock: Soon) -> None:
        self._clock = clock
        self._routes: dict[type[Message], tuple[Post, ...]] = {}
        self._ready: deque[Post] = deque()
        self._is_due = False

    def add(self, kinds: Iterable[type[Message]], handle: Handle) -> Post:
        """Make a post; messages go to the posts in the order in which these were made."""
        post = Post(handle)
        for kind in kinds:
            self._routes[kind] = (*self._routes.get(kind, ()), post)
        return post

    def send(self, message: Message) -> None:
        """Bring a message to all whom it concerns."""
        for post in self._routes.get(type(message), ()):
            (post.urgent if message.system else post.lane).append(message)
            self._wake(post)

    def ring(self, post: Post, timer: Timer) -> None:
        """Bring a timer to its core, ahead of all messages."""
        post.urgent.append(timer)
        self._wake(post)

    def _wake(self, post: Post) -> None:
        if not post.is_idle:
            return
        post.is_idle = False
        self._ready.append(post)
        if not self._is_due:
            self._is_due = True
            self._clock.call_soon(self._run)

    def _run(self) -> None:
        for _ in range(WAKES_IN_A_ROW):
            self._serve(self._ready.popleft())
            if not self._ready:
                break
        self._is_due = bool(self._ready)
        if self._ready:
            self._clock.call_soon(self._run)

    def _serve(self, post: Post) -> None:
        for _ in range(BATCH):
            message = post.take()
            if message is None:
                post.is_idle = True
                return
            post.handle(message)
        self._clock.call_soon(lambda: self._serve(post))
