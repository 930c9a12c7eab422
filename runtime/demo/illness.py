"""How a service of the demo falls ill on command, and recovers by itself when its time is over.

The illness is real: answers wait, fail, or are refused by the kernel, and leaked bytes are touched.
It lives in the process, so a restart cures it.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Annotated, Literal

from msgspec import Meta, Struct

LEAK_TICK_S = 0.1

Symptom = Literal["slow", "failing", "leak", "down"]


class FaultOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /fault``: be ill like this for a while, or be well again.

    Attributes:
        symptom: ``slow`` answers late, ``failing`` answers many requests with HTTP 500, ``leak``
            takes memory, ``down`` stops listening while the process lives on; ``none`` cures.
        for_s: the service is well again after this time, whoever forgets to cure it.
        latency_s: added to each answer while slow.
        failure_rate: fraction of requests that fail while failing.
        leak_bytes_per_s: how fast it leaks.
        leak_bytes_max: it leaks no more than this.
        seed: of the draw which requests fail.
    """

    symptom: Symptom | Literal["none"]
    for_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    latency_s: Annotated[float, Meta(ge=0, le=60)] = 0.8
    failure_rate: Annotated[float, Meta(ge=0, le=1)] = 0.8
    leak_bytes_per_s: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 40_000_000
    leak_bytes_max: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 160_000_000
    seed: int = 0


WELL = FaultOrder(symptom="none")


class Illness:
    """The one illness that a service has at a time; a new order replaces the old.

    Attributes:
        order: what it suffers from now.
        changed: set at each change of the order.
    """

    def __init__(self) -> None:
        self.order = WELL
        self.changed = asyncio.Event()
        self._random = Random(0)  # noqa: S311 - which request fails is drawn, not secret
        self._leaked: list[bytes] = []
        self._recovery: asyncio.TimerHandle | None = None
        self._next_leak: asyncio.TimerHandle | None = None

    @property
    def leaked_bytes(self) -> int:
        """Memory that it holds for nothing."""
        return sum(map(len, self._leaked))

    @property
    def latency_s(self) -> float:
        """How much later it answers."""
        return self.order.latency_s if self.order.symptom == "slow" else 0.0

    def begin(self, order: FaultOrder) -> None:
        """Fall ill as ordered."""
        self.end()
        self.order = order
        self.changed.set()
        self._random = Random(order.seed)  # noqa: S311 - which request fails is drawn, not secret
        if order.symptom != "none":
            self._recovery = asyncio.get_running_loop().call_later(order.for_s, self.end)
        if order.symptom == "leak":
            self._leak()

    def end(self) -> None:
        """Be well, and give back what was leaked."""
        for timer in (self._recovery, self._next_leak):
            if timer is not None:
                timer.cancel()
        self.order = WELL
        self.changed.set()
        self._leaked.clear()

    def fails_now(self) -> bool:
        """Draw whether this request fails."""
        failing = self.order.symptom == "failing"
        return failing and self._random.random() < self.order.failure_rate

    def _leak(self) -> None:
        room = self.order.leak_bytes_max - self.leaked_bytes
        size = min(room, int(self.order.leak_bytes_per_s * LEAK_TICK_S))
        if size <= 0:
            return
        self._leaked.append(b"\x01" * size)  # Not zeros: those pages would never be touched.
        self._next_leak = asyncio.get_running_loop().call_later(LEAK_TICK_S, self._leak)
