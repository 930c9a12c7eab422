"""Estates to which drawn mishaps happen at drawn times, for properties of whoever heals them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from estates import Estate, Service
from hypothesis import strategies as st
from mendel.core.levels import Level
from mendel.core.policy import PolicyConfig
from mendel.runtime.config import Config
from msgspec import Struct, structs

LEVELS: tuple[Level, ...] = ("basic", "advanced", "full")
CURES = ("restart", "replace", "drain", "nothing")
UNTIL_S = 90.0


class Mishap(Struct, frozen=True):
    """Something that happens to one service.

    Attributes:
        at_s: when.
        service: number of the service.
        what: ``crash``, a fault of `estates.Service`, ``unseen`` or ``seen``.
        cure: the action that ends it.
        breaks: what a restart makes of it instead of doing good.
    """

    at_s: float
    service: int
    what: str
    cure: str = "restart"
    breaks: str = ""


class Day(Struct, frozen=True):
    """An estate and what happens to it.

    Attributes:
        needs: for each service the numbers of those that it needs, all of them smaller.
        mishaps: what happens.
        probe_takes_s: how long a look takes.
    """

    needs: tuple[tuple[int, ...], ...]
    mishaps: tuple[Mishap, ...]
    probe_takes_s: float = 0.0


class MishapEstate(Estate):
    """An estate in which a day takes its course as soon as somebody enters."""

    def __init__(self, day: Day) -> None:
        services: list[Service] = []
        for number, needs in enumerate(day.needs):
            services.append(Service(f"s{number}", [services[each] for each in needs]))
        super().__init__(services, probe_takes_s=day.probe_takes_s)
        self._day = day

    async def __aenter__(self) -> MishapEstate:
        loop = asyncio.get_running_loop()
        for mishap in self._day.mishaps:
            loop.call_at(loop.time() + mishap.at_s, self._happen, mishap)
        return self

    def _happen(self, mishap: Mishap) -> None:
        service = self[f"s{mishap.service}"]
        service.cure = mishap.cure
        service.breaks = {"restart": mishap.breaks} if mishap.breaks else {}
        match mishap.what:
            case "crash":
                service.crash()
            case "unseen" | "seen":
                service.is_seen = mishap.what == "seen"
            case fault:
                service.fault, service.error_rate = fault, 0.7


def a_config(level: Level = "basic", mode: str = "act", **defaults: Any) -> Config:
    """All components at one level."""
    config = Config()
    return structs.replace(
        config,
        defaults=structs.replace(config.defaults, level=level, **defaults),
        policy=PolicyConfig(mode=mode),  # type: ignore[arg-type]
    )


@st.composite
def days(draw: Callable[..., Any]) -> Day:
    """Up to five services in any acyclic order, and up to four mishaps."""
    count = draw(st.integers(1, 5))
    needs = tuple(
        tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=2)))) if number else ()
        for number in range(count)
    )
    mishap = st.builds(
        Mishap,
        # Also at the very moments at which probes look, and at the same one twice.
        at_s=st.one_of(st.integers(0, 60).map(float), st.floats(0.0, 60.0)),
        service=st.integers(0, count - 1),
        what=st.sampled_from(("crash", "errors", "hang", "bad", "unseen", "seen")),
        cure=st.sampled_from(CURES),
        breaks=st.sampled_from(("", "", "crash", "hang")),
    )
    mishaps = draw(st.lists(mishap, max_size=4))
    takes_s = draw(st.sampled_from((0.0, 0.0, 0.05, 0.4)))
    return Day(needs, tuple(mishaps), takes_s)
