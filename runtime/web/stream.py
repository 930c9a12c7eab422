"""Streams of server-sent events: what is to be told is put together once and handed to everybody.

At most four times a second each channel that somebody listens to is asked for news, and all its
listeners get the same bytes. A listener that does not keep up is let go, and begins anew with the
whole picture when it comes back; nobody is waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol

# People see no difference beyond that, and each telling costs a write per listener.
TICK_S = 0.25

# Ten seconds of news. Whoever is further behind is better served with a fresh picture.
UNREAD_MAX = 40


class Channel(Protocol):
    """Something that has news."""

    def begin(self) -> bytes:
        """What a listener has to know first."""
        ...

    def news(self) -> bytes:
        """What has happened since it was asked last; empty for nothing."""
        ...

    def close(self) -> None:
        """Nobody listens any more."""
        ...


class TooManyStreams(Exception):
    """Every place is taken."""


class _Listener:
    __slots__ = ("_unread", "_wake", "is_over")

    def __init__(self, first: bytes) -> None:
        self.is_over = False
        self._unread = deque([first])
        self._wake = asyncio.Event()
        self._wake.set()

    def give(self, chunk: bytes) -> bool:
        """Hand over; tells whether there was room."""
        if len(self._unread) >= UNREAD_MAX:
            return False
        self._unread.append(chunk)
        self._wake.set()
        return True

    def end(self) -> None:
        self.is_over = True
        self._wake.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # All at once: one write for whatever has gathered.
            if self._unread:
                together = b"".join(self._unread)
                self._unread.clear()
                yield together
            if self.is_over:
                return


class Streams:
    """All listeners of all channels.

    Args:
        limit: listeners at once.

    Attributes:
        dropped: counter of listeners that did not keep up.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._channels: dict[str, tuple[Channel, dict[_Listener, None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return sum(len(listeners) for _, listeners in self._channels.values())

    def channel(self, name: str) -> Channel | None:
        """The channel of this name, while somebody listens to it."""
        found = self._channels.get(name)
        return found[0] if found else None

    @contextmanager
    def join(self, name: str, channel: Channel) -> Iterator[AsyncIterator[bytes]]:
        """Listen to a channel.

        Args:
            name: listeners of one name get the same bytes.
            channel: used if nobody listens to one of this name yet.

        Raises:
            TooManyStreams: every place is taken, or the server is being stopped.
        """
        if self._is_closed or len(self) >= self._limit:
            raise TooManyStreams
        channel, listeners = self._channels.setdefault(name, (channel, {}))
        listener = _Listener(channel.begin())
        listeners[listener] = None
        self._tick_later()
        try:
            yield listener.chunks()
        finally:
            listeners.pop(listener, None)
            if not listeners:
                self._channels.pop(name, None)
                channel.close()

    def close(self) -> None:
        """End every stream; a server that waits for them first would wait for ever."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for _, listeners in self._channels.values():
            for listener in listeners:
                listener.end()

    def _tick_later(self) -> None:
        if self._timer is None and self._channels and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for channel, listeners in self._channels.values():
            chunk = channel.news()
            if not chunk:
                continue
            for listener in tuple(listeners):
                if not listener.give(chunk):
                    self.dropped += 1
                    del listeners[listener]
                    listener.end()
        self._tick_later()


def sse(event: str, data: bytes, *, number: int = 0) -> bytes:
    """One server-sent event; ``data`` is JSON, which has no line ends.

    Source:
        HTML Living Standard, section 9.2, Server-sent events.
    """
    head = f"id: {number}\n" if number else ""
    return b"%bevent: %b\ndata: %b\n\n" % (head.encode(), event.encode(), data)
