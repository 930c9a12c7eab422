"""What policy has to know of the time before, from wall time to loop time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar

import msgspec
import pytest
from mendel.bus.messages import PauseTarget
from mendel.core.policy import Pause
from mendel.core.records import IntentRecord
from mendel.errors import ConfigError
from mendel.runtime.pauses import (
    MaintenanceSpec,
    announced,
    announced_anew,
    earlier_actions,
    left_over,
)
from mendel.runtime.store.archive import ActionRun
from mendel.runtime.store.audit import AuditRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_window(start: datetime, end: datetime) -> MaintenanceSpec:
    return MaintenanceSpec(component="cart", start_utc=start, end_utc=end)


def a_row(kind: str, target: str, utc: float, **detail: object) -> AuditRow:
    wish = {"target": target, "who": "ada", **detail}
    text = msgspec.json.encode(wish).decode()
    return AuditRow(seq=1, utc=utc, kind=kind, who="ada", target=target, detail=text, hash="")


def a_run(action: str, started_utc: float, target: str = "cart") -> ActionRun:
    intent = IntentRecord(
        intent="1-1.1",
        incident="1-1",
        target=target,
        action=action,
        attempt=1,
        timeout_s=10.0,
        at_s=0.0,
    )
    return ActionRun(intent=intent, started_utc=started_utc)


class TestMaintenance:
    def test_a_window_is_translated_into_loop_time(self) -> None:
        window = a_window(NOON, NOON + timedelta(hours=1))

        assert announced([window], now_s=5.0, now_utc=NOON.timestamp() - 60.0) == [
            Pause(
                target="cart",
                start_s=65.0,
                end_s=3665.0,
                who="the configuration",
                reason="maintenance",
            )
        ]

    def test_a_time_without_a_zone_is_utc_and_one_with_it_is_as_it_says(self) -> None:
        naive = a_window(NOON.replace(tzinfo=None), NOON.replace(tzinfo=None, hour=13))
        east = timezone(timedelta(hours=2))
        zoned = a_window(NOON.astimezone(east), (NOON + timedelta(hours=1)).astimezone(east))

        times = {"now_s": 0.0, "now_utc": NOON.timestamp()}
        assert announced([naive], **times) == announced([zoned], **times)

    def test_what_is_over_is_left_out(self) -> None:
        window = a_window(NOON, NOON + timedelta(hours=1))

        assert announced([window], now_s=0.0, now_utc=NOON.timestamp() + 3600.0) == []

    def test_an_end_before_its_beginning_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="is not after start_utc"):
            a_window(NOON, NOON)


class TestAnnouncedAnew:
    KEPT = a_window(NOON, NOON + timedelta(hours=1))
    LONGER = a_window(NOON, NOON + timedelta(hours=2))
    TIMES: ClassVar = {"now_s": 7.0, "now_utc": NOON.timestamp()}

    def test_new_windows_are_added_and_withdrawn_ones_end(self) -> None:
        before = announced([self.KEPT], now_s=5.0, now_utc=NOON.timestamp() - 2.0)

        after = announced_anew(before, [self.KEPT], [self.LONGER], **self.TIMES)

        assert [each.end_s for each in after] == [7.0 + 7200.0]

    def test_what_is_announced_as_before_stays_as_it_is_even_when_somebody_ended_it(self) -> None:
        pauses = announced([self.KEPT], **self.TIMES)

        assert announced_anew(pauses, [self.KEPT], [self.KEPT], **self.TIMES) == pauses
        assert announced_anew([], [self.KEPT], [self.KEPT], **self.TIMES) == []

    def test_what_people_have_paused_stays(self) -> None:
        by_ada = Pause(target="cart", start_s=0.0, end_s=3607.0, who="ada", reason="maintenance")

        assert announced_anew([by_ada], [self.KEPT], [], **self.TIMES) == [by_ada]


class TestPauses:
    def test_a_pause_goes_on_for_what_is_left_of_it(self) -> None:
        rows = [a_row("target_paused", "cart", 1000.0, duration_s=600.0, reason="upgrade")]

        assert left_over(rows, now_s=5.0, now_utc=1100.0) == [
            Pause(target="cart", start_s=5.0, end_s=505.0, who="ada", reason="upgrade")
        ]

    def test_one_that_was_ended_or_is_over_is_none(self) -> None:
        rows = [
            a_row("target_paused", "cart", 1000.0, duration_s=600.0),
            a_row("target_paused", "db", 1000.0, duration_s=50.0),
            a_row("approval_given", "1-1.1", 1001.0),
            a_row("target_resumed", "cart", 1010.0),
        ]

        assert left_over(rows, now_s=5.0, now_utc=1100.0) == []

    def test_the_record_of_a_pause_is_what_is_put_on_the_bus(self) -> None:
        wish = PauseTarget(target="cart", duration_s=60.0, who="ada")
        row = msgspec.structs.replace(
            a_row("target_paused", "cart", 1000.0), detail=msgspec.json.encode(wish).decode()
        )

        (pause,) = left_over([row], now_s=0.0, now_utc=1000.0)

        assert pause.end_s == 60.0


def test_earlier_actions_are_counted_where_limits_count_them() -> None:
    newest_first = [a_run("restart", 1090.0), a_run("isolate", 1080.0), a_run("restart", 1000.0)]

    assert earlier_actions(newest_first, now_s=5.0, now_utc=1100.0) == [
        ("cart", -95.0),
        ("cart", -5.0),
    ]
