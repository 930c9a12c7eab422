"""All levels keep all promises of the six verbs, somebody else does, and no mutant does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mendel
import pytest
from mendel.bus.messages import ActionFinished
from mendel.core.levels import Level
from mendel.core.records import ExperienceRecord
from mendel.runtime.healing.healer import Healer
from mendel.runtime.healing.protocol import (
    Detection,
    HealthStatus,
    Lesson,
    RecoveryStatus,
    Response,
)
from mendel.scenarios.compliance import Patient, SelfHealingCompliance
from msgspec import structs
from oddity import Oddity


def watching(healer: Any, patients: Sequence[Patient]) -> Any:
    for patient in patients:
        actions = {"restart": patient.restart, "notify": patient.notify}
        healer.watch(patient.name, actions, depends_on=patient.depends_on, settle_s=5.0)
    return healer


class TestBasic(SelfHealingCompliance):
    def healer(self, patients: Sequence[Patient]) -> Any:
        return watching(mendel.create("basic"), patients)


class TestAdvanced(SelfHealingCompliance):
    def healer(self, patients: Sequence[Patient]) -> Any:
        return watching(mendel.create("advanced"), patients)


class TestFull(SelfHealingCompliance):
    def healer(self, patients: Sequence[Patient]) -> Any:
        return watching(mendel.create("full"), patients)


class TestSomebodyElse(SelfHealingCompliance):
    def healer(self, patients: Sequence[Patient]) -> Any:
        oddity = Oddity()
        for each in patients:
            oddity.watch(each.name, each.restart, each.notify, each.depends_on)
        return oddity


# --- mutants --------------------------------------------------------------------------------------


class Mutant(Healer):
    """Ours, with one mistake; each says which in its name."""

    def __init__(self, level: Level = "basic") -> None:
        super().__init__(level)


class RunsAgainWhenAppliedAgain(Mutant):
    async def apply_response(self, response: Response) -> ActionFinished:
        self._parts.ledger.finished.pop(response.intent, None)
        if self._notes.command(response.intent) is not None:
            self._notes._finished.discard(response.intent)
        return await super().apply_response(response)


class LetsManyApplyAtOnce(Mutant):
    def _alone(self, name: str) -> Any:
        return asyncio.timeout(None)

    def _execution(self, command: Any) -> Any:
        self._parts.ledger.under_way.pop(command.intent, None)
        return super()._execution(command)


class SwallowsCancellation(Mutant):
    async def apply_response(self, response: Response) -> ActionFinished:
        applying = asyncio.ensure_future(super().apply_response(response))
        try:
            return await asyncio.shield(applying)
        except asyncio.CancelledError:
            return await applying


class StartsOverAfterCancellation(Mutant):
    async def apply_response(self, response: Response) -> ActionFinished:
        try:
            return await super().apply_response(response)
        except asyncio.CancelledError:
            self._parts.ledger.under_way.pop(response.intent, None)
            raise


class CallsItHealedWhenTheActionEnds(Mutant):
    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        found = await super().verify_recovery(target, now_s=now_s)
        if found.stage == "verifying":
            return structs.replace(found, stage="closed", outcome="healed")
        return found


class ClaimsWhatWentAwayByItself(Mutant):
    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        found = await super().verify_recovery(target, now_s=now_s)
        return structs.replace(found, outcome=found.outcome and "healed")


class NeverCallsItOver(Mutant):
    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        found = await super().verify_recovery(target, now_s=now_s)
        return structs.replace(found, stage=found.stage and "verifying")


class TellsAnomaliesAgain(Mutant):
    async def detect_anomaly(self, *args: Any, **options: Any) -> Detection:
        found = await super().detect_anomaly(*args, **options)
        self._told = found.anomalies or getattr(self, "_told", ())
        return structs.replace(found, anomalies=self._told)


class AlarmsAtTheFirstBadAnswer(Mutant):
    async def detect_anomaly(
        self, target: str, metrics: Mapping[str, float] | None = None, **options: Any
    ) -> Detection:
        if metrics and metrics.get("ok") == 0.0:
            metrics = {**metrics, "alive": 0.0}
        return await super().detect_anomaly(target, metrics, **options)


class SeesNothing(Mutant):
    async def detect_anomaly(
        self, target: str, metrics: Mapping[str, float] | None = None, **options: Any
    ) -> Detection:
        return await super().detect_anomaly(target, metrics and {"latency_s": 0.1}, **options)


class ChoosesAnewEachTime(Mutant):
    async def select_response(self, target: str, *, now_s: float | None = None) -> Response:
        found = await super().select_response(target, now_s=now_s)
        self._asked = getattr(self, "_asked", 0) + 1
        return structs.replace(found, intent=found.intent and f"{found.intent}.{self._asked}")


class CarriesOutWhatIsOvertaken(Mutant):
    def _is_going(self, command: Any) -> bool:
        return True


class HidesFailures(Mutant):
    async def apply_response(self, response: Response) -> ActionFinished:
        finished = await super().apply_response(response)
        outcome = "succeeded" if finished.outcome == "failed" else finished.outcome
        return structs.replace(finished, outcome=outcome)


class TakesHalfASample(Mutant):
    async def detect_anomaly(
        self, target: str, metrics: Mapping[str, float] | None = None, **options: Any
    ) -> Detection:
        if isinstance(metrics, Mapping) and metrics.get("alive") == 0.0:
            await super().detect_anomaly(target, {"alive": 0.0}, **options)
        return await super().detect_anomaly(target, metrics, **options)


class LetsTimeRunBackward(Mutant):
    def _turn(self, now_s: float | None) -> float:
        found = super()._turn(now_s)
        return found if now_s is None else now_s


class TakesNanForATime(Mutant):
    def _turn(self, now_s: float | None) -> float:
        return super()._turn(None if now_s != now_s else now_s)


class LearnsTwice(Mutant):
    async def learn_from_incident(self, experience: Sequence[ExperienceRecord]) -> Lesson:
        await super().learn_from_incident(experience)
        return Lesson(learned=len(experience))


class LosesTheIncidentWithTheLevel(Mutant):
    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        await super().change_level(component, level)
        self._parts.casebook.incidents.clear()


class BeginsAnewOnAnotherLevel(Mutant):
    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        await super().change_level(component, level)
        self._begin()


class ForgetsToChangeTheLevel(Mutant):
    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        self._known(component)


class BlamesNobodyElse(Mutant):
    def watch(self, target: str, actions: Any = None, **options: Any) -> None:
        super().watch(target, actions, **{**options, "depends_on": (), "plan": ["restart"]})


class NeverAsksAPerson(Mutant):
    def watch(self, target: str, actions: Any = None, **options: Any) -> None:
        super().watch(target, {"restart": actions["restart"]}, **options)


class CallsEverythingHealthy(Mutant):
    async def get_health_status(self, *, now_s: float | None = None) -> HealthStatus:
        found = await super().get_health_status(now_s=now_s)
        return structs.replace(found, components=dict.fromkeys(found.components, "healthy"))


MUTANTS = Mutant.__subclasses__()


def broken_promises(kind: type[Mutant]) -> Iterator[str]:
    """Names of the tests that a mutant fails, one after the other."""

    class Suite(SelfHealingCompliance):
        def healer(self, patients: Sequence[Patient]) -> Any:
            return watching(kind(), patients)

    for name in dir(Suite):
        if name.startswith("test_"):
            try:
                getattr(Suite(), name)()
            except Exception:  # noqa: BLE001
                yield name


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 12


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", MUTANTS)
def test_no_mutant_passes(kind: type[Mutant]) -> None:
    assert next(broken_promises(kind), None), f"{kind.__name__} keeps every promise"


def test_what_is_no_mutant_passes() -> None:
    assert list(broken_promises(Mutant)) == []
