"""Somebody else's way of healing: no levels, no cores, no loop of its own, and all promises kept.

It counts bad samples in a row, restarts at the second, believes what is good three times in a row,
and asks a person after three restarts in vain. All that it knows is one table of rows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from mendel.bus.messages import ActionFinished, AnomalyDetected, Status
from mendel.core.health import overall
from mendel.core.records import Ailment, ExperienceRecord
from mendel.runtime.healing.protocol import (
    Detection,
    HealthStatus,
    Lesson,
    RecoveryStatus,
    Response,
)

TRIES = 3
GOOD = 3


class Oddity:
    """Keeps `mendel.SelfHealing`."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.lessons: set[str] = set()
        self.at_s = -math.inf

    def watch(
        self,
        name: str,
        restart: Callable[[], Awaitable[object]],
        notify: Callable[[], object],
        needs: Sequence[str],
    ) -> None:
        self.rows[name] = SimpleNamespace(
            restart=restart,
            notify=notify,
            needs=needs,
            status=Status.UNKNOWN,
            bad=0,
            good=GOOD,
            count=0,
            incident="",
            closed="",
            outcome="",
            tries=[],
            orders={},
            news=[],
            asked=False,
        )

    async def detect_anomaly(
        self,
        target: str,
        metrics: Any,
        *,
        detail: str = "",
        now_s: float | None = None,
    ) -> Detection:
        row = self.row(target, now_s)
        if not isinstance(metrics, Mapping) or not metrics:
            raise ValueError(f"{target}: {metrics!r} is no sample")
        for name, value in metrics.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{target}: {name} is {value!r}")
        worst = next((name for name in ("alive", "ok") if metrics.get(name, 1.0) < 0.5), "")
        row.bad = row.bad + 1 if worst else 0
        row.good = 0 if worst else row.good + 1
        if row.status is not Status.SICK:
            row.status = Status.HEALTHY if row.good >= 1 and not row.incident else Status.SUSPECT
        if row.bad >= (1 if worst == "alive" else 4) and row.status is not Status.SICK:
            self.fall_ill(target, row, worst, metrics[worst])
        elif row.good >= GOOD:
            self.get_well(row)
        news, row.news = tuple(row.news), []
        return Detection(
            target=target,
            status=row.status,
            anomalies=news,
            incident=row.incident,
            at_s=self.at_s,
        )

    async def select_response(self, target: str, *, now_s: float | None = None) -> Response:
        row = self.row(target, now_s)
        blamed = [name for name in row.needs if self.rows[name].incident]
        if not row.incident or blamed:
            return Response(
                target=target, reason=f"because of {blamed}" if blamed else "all is well"
            )
        for intent, (action, done) in row.orders.items():
            if done is None or not done.done():
                return self.order(target, row, action, intent)
        if row.status is not Status.SICK or row.good:
            return Response(target=target, incident=row.incident, reason="it may be well again")
        action = "restart" if len(row.tries) < TRIES else "notify"
        if action == "notify" and row.asked:
            return Response(target=target, incident=row.incident, reason="a person was asked")
        intent = f"{row.incident}/{len(row.orders)}"
        row.orders[intent] = (action, None)
        return self.order(target, row, action, intent)

    async def apply_response(self, response: Response) -> ActionFinished:
        row = self.rows[response.target]
        action, done = row.orders.get(response.intent, ("", None))
        overtaken = done is None and not (action and row.status is Status.SICK)
        if overtaken:
            return self.finished(response, "not_run", response.reason or "it was overtaken", 0.0)
        if done is None:
            done = asyncio.ensure_future(self.carry_out(response, row))
            row.orders[response.intent] = (action, done)
        result: ActionFinished = await asyncio.shield(done)
        return result

    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        row = self.row(target, now_s)
        if row.incident:
            stage = "escalated" if row.asked else "verifying"
            return RecoveryStatus(
                target=target, status=row.status, incident=row.incident, stage=stage
            )
        return RecoveryStatus(
            target=target,
            status=row.status,
            incident=row.closed,
            stage="closed" if row.closed else "",
            outcome=row.outcome,
            experience=tuple(row.tries) if row.closed else (),
        )

    async def learn_from_incident(self, experience: Sequence[ExperienceRecord]) -> Lesson:
        fresh = {repr(each) for each in experience} - self.lessons
        self.lessons |= fresh
        return Lesson(learned=len(fresh), reason="" if fresh else "nothing new")

    async def get_health_status(self, *, now_s: float | None = None) -> HealthStatus:
        self.time(now_s)
        statuses = {name: row.status for name, row in self.rows.items()}
        return HealthStatus(
            status=overall(statuses),
            components=statuses,
            levels={},
            incidents={name: row.incident for name, row in self.rows.items() if row.incident},
            at_s=self.at_s,
        )

    # --- inside -------------------------------------------------------------------------------

    def time(self, now_s: float | None) -> None:
        told_s: Any = asyncio.get_running_loop().time() if now_s is None else now_s
        if not isinstance(told_s, int | float) or not math.isfinite(told_s):
            raise ValueError(f"now_s is {told_s!r}")
        self.at_s = max(self.at_s, told_s)

    def row(self, target: str, now_s: float | None) -> Any:
        if target not in self.rows:
            raise ValueError(f"who is {target}?")
        self.time(now_s)
        return self.rows[target]

    def fall_ill(self, target: str, row: Any, metric: str, value: float) -> None:
        row.status = Status.SICK
        anomaly = AnomalyDetected(
            target=target,
            metric=metric,
            value=value,
            score=2.0,
            onset_s=self.at_s,
            detected_s=self.at_s,
        )
        row.news.append(anomaly)
        if not row.incident:
            row.count += 1
            row.incident = f"{target} no. {row.count}"
            row.tries, row.orders, row.asked = [], {}, False

    def get_well(self, row: Any) -> None:
        if row.incident and not any(done and not done.done() for _, done in row.orders.values()):
            row.outcome = "healed" if row.tries else "cleared"
            row.tries = row.tries[:-1] + [self.verdict(each, "helped") for each in row.tries[-1:]]
            self.lessons |= {repr(each) for each in row.tries}
            row.closed, row.incident = row.incident, ""
        if not row.incident:
            row.status = Status.HEALTHY

    def verdict(self, record: ExperienceRecord, verdict: str) -> ExperienceRecord:
        kind = type(record)
        values = {name: getattr(record, name) for name in kind.__struct_fields__}
        return kind(**{**values, "verdict": verdict})

    def order(self, target: str, row: Any, action: str, intent: str) -> Response:
        return Response(target=target, action=action, incident=row.incident, intent=intent)

    async def carry_out(self, response: Response, row: Any) -> ActionFinished:
        began_s = asyncio.get_running_loop().time()
        if response.action == "notify":
            row.asked = True
            row.notify()
            return self.finished(response, "succeeded", "", 0.0)
        record = ExperienceRecord(
            incident=response.incident,
            target=response.target,
            action="restart",
            ailment=Ailment(kind="service", cause="", signature=""),
            verdict="no_effect",
            took_s=0.0,
            at_s=self.at_s,
        )
        row.tries.append(record)
        try:
            await row.restart()
        except Exception as error:  # noqa: BLE001
            return self.finished(response, "failed", str(error), 0.0)
        row.good = 0
        took_s = asyncio.get_running_loop().time() - began_s
        return self.finished(response, "succeeded", "", took_s)

    def finished(
        self, response: Response, outcome: str, detail: str, took_s: float
    ) -> ActionFinished:
        return ActionFinished(
            target=response.target,
            intent=response.intent,
            incident=response.incident,
            action=response.action,
            outcome=outcome,
            detail=detail,
            duration_s=took_s,
            finished_s=self.at_s,
        )
