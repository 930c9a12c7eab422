"""Records to write, and a listener that remembers what the store said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from mendel.agents.journal import MemoryJournal
from mendel.core.records import (
    Ailment,
    ExperienceRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    WindowRecord,
)
from mendel.runtime.store import Store, StoreConfig
from mendel.runtime.store.database import Database

OpenStore = Callable[..., Store]
Sweep = Callable[..., Awaitable[int]]


class Records:
    """Builders: each hides what a test is not about."""

    def incident(
        self, incident: str = "1-1", stage: str = "triage", outcome: str = "", target: str = "cart"
    ) -> IncidentRecord:
        return IncidentRecord(
            incident=incident,
            target=target,
            stage=stage,
            reason="latency_s is 0.9, at most 0.5",
            at_s=12.5,
            onset_s=11.0,
            outcome=outcome,
        )

    def intent(
        self,
        intent: str = "1-1",
        incident: str = "1-1",
        target: str = "cart",
        action: str = "restart",
    ) -> IntentRecord:
        return IntentRecord(
            intent=intent,
            incident=incident,
            target=target,
            action=action,
            attempt=1,
            timeout_s=30.0,
            at_s=13.0,
            before={"pid": 4711},
        )

    def outcome(self, intent: str = "1-1", outcome: str = "succeeded") -> OutcomeRecord:
        return OutcomeRecord(
            intent=intent, outcome=outcome, detail="ready", duration_s=0.4, at_s=13.4
        )

    def experience(self, incident: str = "1-1", action: str = "restart") -> ExperienceRecord:
        return ExperienceRecord(
            incident=incident,
            target="cart",
            action=action,
            ailment=Ailment(kind="api", cause="hang", signature="answered"),
            verdict="helped",
            took_s=7.0,
            at_s=13.4,
        )

    def window(self, incident: str = "1-1", values: int = 2) -> WindowRecord:
        return WindowRecord(
            incident=incident,
            target="cart",
            times_s=tuple(float(at) for at in range(values)),
            metrics={"latency_s": (0.9,) * values},
        )


class Listener:
    """Hears what a store says; each kind can be waited for."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.lost: list[int] = []
        self.asides: list[Path] = []
        self.degraded = asyncio.Event()
        self.recovered = asyncio.Event()

    def on_degraded(self, reason: str) -> None:
        self.reasons.append(reason)
        self.degraded.set()

    def on_recovered(self, lost: int) -> None:
        self.lost.append(lost)
        self.recovered.set()


@pytest.fixture
def a() -> Records:
    return Records()


@pytest.fixture
async def listener() -> Listener:
    return Listener()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def open_store(path: Path, listener: Listener) -> AsyncIterator[OpenStore]:
    """A store on ``path`` that speaks to ``listener`` and does not try anybody's patience."""
    stores: list[Store] = []

    def make(at: Path = path, *, clock: Callable[[], float] = time.time, **bounds: object) -> Store:
        quick = {"busy_s": 0.0, "retry_s": 0.01, "retry_s_max": 0.05} | bounds
        store = Store(
            at,
            msgspec.convert(quick, StoreConfig),
            clock=clock,
            on_degraded=listener.on_degraded,
            on_recovered=listener.on_recovered,
            on_set_aside=listener.asides.append,
        )
        stores.append(store)
        return store

    yield make
    for store in stores:
        await store.close()


@pytest.fixture
def sweep(path: Path) -> Sweep:
    """Sweeps the file as a store does, until nothing is left to sweep; tells how often."""

    async def sweep_all(now_utc: float, **bounds: object) -> int:
        limits = msgspec.convert(bounds, StoreConfig)
        database = Database(path, limits, lambda: now_utc, MemoryJournal(), lambda *_: None)
        await database.open()
        sweeps = 1
        while await database.sweep():
            sweeps += 1
        await database.close()
        return sweeps

    return sweep_all
