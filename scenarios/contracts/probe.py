"""What every probe keeps: it ends in time, tells plain numbers, and never says too much."""

from __future__ import annotations

import asyncio
import inspect
import math
import re
from contextlib import AbstractAsyncContextManager

from ...agents.ports import Probe, Sample
from ...errors import NoData
from .base import MARGIN_S, Contract, demand, living_children, without_new_children

_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
_LOOKS = 5


class ProbeContract(Contract):
    """Suite for probes; subclass it and give `healthy`, and `sick` where there is such a thing."""

    in_virtual_time = False

    def healthy(self) -> AbstractAsyncContextManager[Probe]:
        """A probe of a target that is well, for as long as the context lasts."""
        raise NotImplementedError("a suite for probes says what a healthy one is")

    def sick(self) -> AbstractAsyncContextManager[Probe] | None:
        """A probe of a target that is ill or does not answer; ``None`` when there is none."""
        return None

    def test_it_says_whom_it_looks_at_and_when(self) -> None:
        """The Monitor plans its looks by that."""

        async def body() -> None:
            async with self.healthy() as probe:
                demand(probe.target, "its target has no name")
                demand(probe.name, "it has no name")
                demand(probe.every_s > 0, f"every_s is {probe.every_s:g}; it must be more than 0")
                demand(probe.timeout_s > 0, f"timeout_s is {probe.timeout_s:g}; it must be more")

        self.run(body())

    def test_it_tells_finite_numbers_under_plain_names(self) -> None:
        """They become columns of recordings and names of metrics."""

        async def body() -> None:
            async with self.healthy() as probe:
                _check(await _look(probe))

        self.run(body())

    def test_looks_do_not_disturb_each_other(self) -> None:
        """A target in doubt is looked at more often than planned."""

        async def body() -> None:
            async with self.healthy() as probe:
                for sample in await asyncio.gather(*(_look(probe) for _ in range(_LOOKS))):
                    _check(sample)

        self.run(body())

    def test_a_healthy_target_needs_no_words(self) -> None:
        """What a person should know is told when there is something to know."""

        async def body() -> None:
            async with self.healthy() as probe:
                sample = await _look(probe)
                demand(not sample.detail, f"it says {sample.detail!r} of a healthy target")

        self.run(body())

    def test_it_ends_in_time_whatever_the_target_does(self) -> None:
        """With a sample that says what is wrong, or `NoData`."""

        async def body() -> None:
            sick = self.sick()
            if sick is None:
                return
            async with sick as probe:
                loop = asyncio.get_running_loop()
                began_s = loop.time()
                try:
                    async with asyncio.timeout(probe.timeout_s + 5 * MARGIN_S):
                        sample = await _look(probe)
                except NoData as missing:
                    demand(str(missing), "it has no data and does not say why")
                except TimeoutError:
                    raise AssertionError(
                        f"it did not end within its {probe.timeout_s:g} s, nor long after"
                    ) from None
                else:
                    _check(sample)
                    demand(sample.detail, "something is wrong, and it does not say what")
                took_s = loop.time() - began_s
                demand(
                    took_s < probe.timeout_s + MARGIN_S,
                    f"it took {took_s:.3g} s where {probe.timeout_s:g} s are allowed",
                )

        self.run(body())

    def test_a_look_that_is_cancelled_leaves_nothing_behind(self) -> None:
        """Looks are cancelled when mendel stops."""

        async def body() -> None:
            async with self.sick() or self.healthy() as probe:
                before = living_children()
                looking = asyncio.ensure_future(_look(probe))
                await asyncio.sleep(0)
                looking.cancel()
                await asyncio.wait([looking], timeout=probe.timeout_s + MARGIN_S)
                demand(looking.done(), "a cancelled look goes on")
                if not looking.cancelled():
                    looking.exception()
                demand(await without_new_children(before), "a cancelled look leaves a process")

        self.run(body())


async def _look(probe: Probe) -> Sample:
    found = probe.read()
    return await found if inspect.isawaitable(found) else found


def _check(sample: Sample) -> None:
    demand(isinstance(sample, Sample), f"it returns {sample!r}, which is no Sample")
    demand(sample.metrics, "it tells no metric at all; raise NoData instead")
    for name, value in sample.metrics.items():
        demand(_METRIC.fullmatch(name), f"{name!r} is no plain name for a metric")
        demand(math.isfinite(value), f"{name} is {value}, which is no number to work with")
    demand("\n" not in sample.detail, f"its detail is more than one line: {sample.detail!r}")
