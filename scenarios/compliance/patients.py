"""Patients that fall ill in virtual time, and what a program does with whoever heals them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ...core.records import Ailment, ExperienceRecord
from ..virtual_time import run

if TYPE_CHECKING:
    from ...runtime.healing.protocol import Detection, RecoveryStatus, Response

_PATIENCE_S = 36_000.0


class Patient:
    """A service that can fall ill, and what cures it.

    Attributes:
        name: of the component.
        depends_on: components that it needs.
        is_up: whether its process runs.
        answers: whether its answers are right while it and all that it needs runs.
        cured_by_restart: whether a restart helps.
        problem: what a restart raises instead of restarting.
        takes_s: how long a restart takes.
        begun: restarts that were begun.
        done: restarts that came to their end.
        told: how often a person was told.
    """

    def __init__(
        self, name: str, depends_on: Sequence[Patient] = (), *, takes_s: float = 2.0
    ) -> None:
        self.name = name
        self.depends_on = tuple(each.name for each in depends_on)
        self.takes_s = takes_s
        self._needed = tuple(depends_on)
        self.is_up = True
        self.answers = True
        self.cured_by_restart = True
        self.problem = ""
        self.begun = 0
        self.done = 0
        self.told = 0

    def metrics(self) -> dict[str, float]:
        """What it measures of itself now."""
        if not self.is_up:
            return {"alive": 0.0}
        ok = self.answers and all(each.is_up for each in self._needed)
        return {"alive": 1.0, "answered": 1.0, "ok": float(ok), "latency_s": 0.05}

    def crash(self) -> None:
        """Its process is gone."""
        self.is_up = False

    async def restart(self) -> None:
        """Restart it; `problem` is raised at once."""
        self.begun += 1
        if self.problem:
            raise RuntimeError(self.problem)
        await asyncio.sleep(self.takes_s)
        self.done += 1
        if self.cured_by_restart:
            self.is_up = self.answers = True

    def notify(self) -> None:
        """Tell a person."""
        self.told += 1


class Ward:
    """A healer and its patients, and what a program does with them.

    Attributes:
        healer: whose promises are tested.
        patients: by name.
    """

    def __init__(self, healer: Any, patients: Sequence[Patient]) -> None:
        self.healer = healer
        self.patients = {each.name: each for each in patients}

    def __getitem__(self, name: str) -> Patient:
        return self.patients[name]

    async def feed(self, name: str = "cart") -> Detection:
        """One sample of a patient."""
        found: Detection = await self.healer.detect_anomaly(name, self[name].metrics())
        return found

    async def until_ill(self, name: str = "cart") -> Detection:
        """Samples until the patient is known to be ill."""
        for _ in range(20):
            detection = await self.feed(name)
            if detection.is_anomalous:
                return detection
            await asyncio.sleep(1.0)
        raise AssertionError(f"{name} is ill, and after 20 samples nobody knows")

    async def until_chosen(self, name: str = "cart") -> Response:
        """Samples until something is to be done about the patient."""
        for _ in range(60):
            await self.feed(name)
            response: Response = await self.healer.select_response(name)
            if response.action:
                return response
            await asyncio.sleep(1.0)
        raise AssertionError(f"{name} is ill, and after 60 samples nothing is chosen")

    async def until_over(self, name: str = "cart") -> RecoveryStatus:
        """Samples until nothing is open any more, or a person is to see to it."""
        for _ in range(600):
            for other in self.patients:
                await self.feed(other)
            recovery: RecoveryStatus = await self.healer.verify_recovery(name)
            if recovery.is_over or recovery.is_escalated:
                return recovery
            await asyncio.sleep(1.0)
        raise AssertionError(f"the incident of {name} never ends")

    async def tend(self, seconds: int) -> None:
        """All verbs for all patients, once a second, whatever is under way."""
        applying: dict[str, asyncio.Future[Any]] = {}
        for _ in range(seconds):
            for name in self.patients:
                await self.feed(name)
                response = await self.healer.select_response(name)
                if response.action and response.intent not in applying:
                    task = asyncio.ensure_future(self.healer.apply_response(response))
                    applying[response.intent] = task
                await self.healer.verify_recovery(name)
            await asyncio.sleep(1.0)
        await asyncio.gather(*applying.values())


Story = Callable[[Ward], Awaitable[None]]


class Stage:
    """Where stories about a healer take place."""

    def healer(self, patients: Sequence[Patient]) -> Any:
        """Make a healer that watches these patients, to be implemented.

        Each of them has actions ``restart`` and ``notify`` (`Patient.restart`, `Patient.notify`),
        components that it depends on, and a sample each second.
        """
        raise NotImplementedError("say how your healer is made")

    def follow(self, story: Story, *patients: Patient) -> None:
        """Let a story take place in virtual time; by default with one patient, ``cart``."""

        async def main() -> None:
            everybody = patients or (Patient("cart"),)
            async with asyncio.timeout(_PATIENCE_S), _entered(self.healer(everybody)) as healer:
                await story(Ward(healer, everybody))

        run(main())


async def detect(ward: Ward, sample: Any) -> Any:
    """A sample that need not be one; a healer that looks by itself takes no sample as such."""
    return await ward.healer.detect_anomaly("cart", sample)


async def refused(attempt: Callable[[], Awaitable[Any]]) -> str:
    """What the error says, which has to be a `ValueError`, as `ConfigError` is."""
    try:
        await attempt()
    except ValueError as error:
        return str(error)
    raise AssertionError("it was not refused")


def an_experience() -> ExperienceRecord:
    """A restart helped a cart elsewhere."""
    return ExperienceRecord(
        incident="elsewhere-1",
        target="cart",
        action="restart",
        ailment=Ailment(kind="service", cause="", signature="alive"),
        verdict="helped",
        took_s=3.0,
        at_s=0.0,
    )


@asynccontextmanager
async def _entered(healer: Any) -> AsyncIterator[Any]:
    if isinstance(healer, AbstractAsyncContextManager):
        async with healer as entered:
            yield entered
    else:
        yield healer
