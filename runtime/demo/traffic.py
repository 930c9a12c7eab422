"""The users of the demo: they ask for a page at their own pace, whatever state the shop is in."""

from __future__ import annotations

import asyncio

from .wire import Reply, call

PATIENCE_S = 2.0  # A page that takes longer is one that a user does not wait for.
IN_FLIGHT_MAX = 200  # 20 users/s who all lose their patience are 40 at once; the rest is room.


class Traffic:
    """Open-loop requests: the next one is sent when it is due, not when the last was answered.

    A closed loop would send less while the service is ill, and so hide how many users suffer.

    Args:
        url: what is asked for.
        requests_per_s: how many users come.
        in_flight_max: how many may wait for an answer at once.

    Attributes:
        served: answered in full.
        degraded: answered without some part.
        failed: not answered, or with an error; also counted here is a request that could not be
            sent because too many were waiting.
    """

    def __init__(
        self, url: str, *, requests_per_s: float = 20.0, in_flight_max: int = IN_FLIGHT_MAX
    ) -> None:
        self._url = url
        self._in_flight_max = in_flight_max
        self._every_s = 1.0 / requests_per_s
        self._in_flight = 0
        self.served = 0
        self.degraded = 0
        self.failed = 0

    @property
    def availability(self) -> float | None:
        """Fraction of requests that got an answer, in full or degraded; None before the first."""
        total = self.served + self.degraded + self.failed
        return (self.served + self.degraded) / total if total else None

    async def run(self) -> None:
        """Send until cancelled; requests without an answer by then are not counted."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        async with asyncio.TaskGroup() as users:
            while True:
                if self._in_flight < self._in_flight_max:
                    self._in_flight += 1
                    users.create_task(self._ask())
                else:
                    self.failed += 1
                due_s += self._every_s
                await asyncio.sleep(due_s - loop.time())

    async def _ask(self) -> None:
        try:
            self._count(await call(self._url, timeout_s=PATIENCE_S))
        finally:
            self._in_flight -= 1

    def _count(self, reply: Reply) -> None:
        if not reply.succeeded:
            self.failed += 1
        elif reply.body.get("degraded"):
            self.degraded += 1
        else:
            self.served += 1
