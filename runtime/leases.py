"""Guarded calls of programs that are not in this process: a permit that has to be given back.

Whoever asked for a permit and never says how the call went would keep a trial of a half-open
circuit waiting; so every permit is lent for a time, and at its end counts as a call that failed.

    lent --release(outcome)--> settled          lent --time is up--> counted as failed
"""

from __future__ import annotations

import asyncio
import math
from typing import Literal

from msgspec import Struct

from ..agents.guards.guard import Guard
from ..agents.guards.registry import guards
from ..core.circuits.circuit import Pass
from ..documents.kinds import did_you_mean
from ..errors import CallNotPermitted, ConfigError, MendelError

LeaseOutcome = Literal["success", "failure"]

# A program that leaks permits must not eat the machine.
LEASES_MAX = 10_000


class Lease(Struct, frozen=True, kw_only=True):
    """The answer to whether a call may be made.

    Attributes:
        permitted: whether it may.
        lease: identifier to give the permit back by; empty when it may not.
        retry_after_s: when to ask again when it may not; ``None`` when that is not known.
        reason: why it may not, in words.
    """

    permitted: bool
    lease: str = ""
    retry_after_s: float | None = None
    reason: str = ""


class CallFailed(Exception):
    """What stands for a failure whose exception was raised in another program."""


class _Lent:
    __slots__ = ("granted", "guard", "timer")

    def __init__(self, guard: Guard, granted: Pass, timer: asyncio.TimerHandle) -> None:
        self.guard = guard
        self.granted = granted
        self.timer = timer


class Leases:
    """Permits that are lent out.

    Attributes:
        expired: counter of permits that never came back.
    """

    def __init__(self) -> None:
        self.expired = 0
        self._lent: dict[str, _Lent] = {}
        self._count = 0

    def acquire(self, target: str, lease_s: float) -> Lease:
        """Ask the guard of a target.

        Args:
            target: whose.
            lease_s: how long the call may take at most.

        Raises:
            ConfigError: the target has no guard.
            MendelError: too many permits are out.
        """
        guard = guards().get(target)
        if guard is None:
            help_ = did_you_mean(target, list(guards()), "guards")
            raise ConfigError(f"there is no guard of {target!r}; {help_}")
        if len(self._lent) >= LEASES_MAX:
            raise MendelError(f"{LEASES_MAX} permits are out; give some back")
        try:
            granted = guard.begin()
        except CallNotPermitted as refused:
            wait_s = refused.retry_after_s
            return Lease(
                permitted=False,
                retry_after_s=wait_s if math.isfinite(wait_s) else None,
                reason=str(refused),
            )
        self._count += 1
        name = f"{target}.{self._count}"
        timer = asyncio.get_running_loop().call_later(lease_s, self._expire, name)
        self._lent[name] = _Lent(guard, granted, timer)
        return Lease(permitted=True, lease=name)

    def release(self, lease: str, outcome: LeaseOutcome, duration_s: float) -> None:
        """Take a permit back.

        Args:
            lease: which one.
            outcome: how the call went.
            duration_s: how long it took.

        Raises:
            ConfigError: it is not lent out: settled before, expired, or never lent.
        """
        lent = self._lent.pop(lease, None)
        if lent is None:
            raise ConfigError(f"no permit {lease!r} is lent out; it may have run out of time")
        lent.timer.cancel()
        error = CallFailed() if outcome == "failure" else None
        lent.guard.record(lent.granted, error, duration_s=duration_s)

    def close(self) -> None:
        """Nobody waits for the rest any more; they decide nothing."""
        for lent in self._lent.values():
            lent.timer.cancel()
        self._lent.clear()

    def _expire(self, lease: str) -> None:
        lent = self._lent.pop(lease)
        self.expired += 1
        lent.guard.record(lent.granted, CallFailed())
