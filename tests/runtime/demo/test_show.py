"""What stands in the terminal, drawn by the real library into a string."""

import io

import msgspec
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    Status,
)
from mendel.runtime.demo.chronicle import Chronicle
from mendel.runtime.demo.estate import COMPONENTS
from mendel.runtime.demo.score import FaultScore, Score
from mendel.runtime.demo.show import Lines, Picture, epilogue, summary_of
from mendel.runtime.demo.traffic import Traffic
from rich.console import Console

STARTED = ActionStarted(
    target="db", intent="1", incident="1", action="restart", started_s=1.0, timeout_s=5.0
)
FINISHED = ActionFinished(
    target="db",
    intent="0",
    incident="1",
    action="isolate",
    outcome="succeeded",
    detail="",
    duration_s=0.1,
    finished_s=1.1,
)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def a_console() -> Console:
    return Console(file=io.StringIO(), width=80, height=40, force_terminal=False)


def drawn(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def a_score() -> Score:
    fault = FaultScore(
        kind="crash",
        target="db",
        detected=True,
        healed=True,
        detection_s=0.251,
        reaction_s=0.012,
        recovery_s=4.1,
        actions=("isolate", "restart"),
    )
    missed = FaultScore(
        kind="hang",
        target="cart",
        detected=False,
        healed=False,
        detection_s=None,
        reaction_s=None,
        recovery_s=None,
        actions=(),
    )
    return Score(
        faults=2,
        detected=1,
        healed=1,
        false_alarms=0,
        unneeded_actions=0,
        mttd_s=0.251,
        mttr_s=4.1,
        availability=0.954,
        per_fault=(fault, missed),
    )


class TestLines:
    def test_each_event_is_a_line_with_its_time(self) -> None:
        clock, stream = Clock(), io.StringIO()

        with Lines(clock, stream) as lines:
            clock.now_s = 1001.54
            lines.tell("fault 1 of 6: kill -9 db")
            clock.now_s = 1012.0
            lines.hear(STARTED)
            lines.hear(
                HealthChanged(
                    target="db",
                    status=Status.SUSPECT,
                    previous=Status.HEALTHY,
                    reason="",
                    changed_s=1.0,
                )
            )

        assert stream.getvalue() == (
            "   1.5 s  fault 1 of 6: kill -9 db\n  12.0 s    db: restart begins\n"
        )


def a_picture(chronicle: Chronicle, console: Console) -> Picture:
    traffic = Traffic("http://127.0.0.1:1/")
    traffic.served, traffic.degraded, traffic.failed = 312, 14, 5
    return Picture(chronicle, traffic, Clock(), console)


class TestPicture:
    def test_it_shows_each_service_with_health_isolation_and_what_is_done(self) -> None:
        chronicle, console = Chronicle(["web", "cart", "catalog", "db"]), a_console()
        picture = a_picture(chronicle, console)
        chronicle.hear(STARTED)
        chronicle.hear(
            HealthChanged(
                target="db",
                status=Status.SICK,
                previous=Status.HEALTHY,
                reason="",
                changed_s=1.0,
            )
        )
        chronicle.hear(FINISHED)

        console.print(picture.draw())

        rows = [line.split("  ") for line in drawn(console) if line]
        assert [[cell.strip() for cell in row if cell] for row in rows] == [
            ["service", "health", "calls to it", "under way"],
            ["─" * 78],
            ["web", "? unknown", "pass"],
            ["└─ cart", "? unknown", "pass"],
            ["└─ catalog", "? unknown", "pass"],
            ["├─ db", "✖ sick", "kept away", "restart"],
            ["requests of users: 312 answered in full, 14 in part, 5 not at all"],
        ]

    def test_its_events_are_the_steps_from_a_fault_to_its_end(self) -> None:
        console = a_console()
        picture = a_picture(Chronicle(["db"]), console)

        picture.tell("fault 1 of 6: kill -9 db")
        picture.hear(
            AnomalyDetected(
                target="db",
                metric="alive",
                value=0.0,
                score=2.0,
                onset_s=1.0,
                detected_s=1.0,
                reason="killed by SIGKILL",
            )
        )
        picture.hear(STARTED)
        picture.hear(
            IncidentChanged(
                target="db",
                incident="1-1",
                stage="recovering",
                reason="runs restart",
                changed_s=1.0,
            )
        )
        picture.hear(
            IncidentClosed(
                target="db",
                incident="1-1",
                outcome="healed",
                actions=("restart",),
                onset_s=1.0,
                opened_s=1.0,
                closed_s=4.0,
            )
        )
        console.print(picture.draw())

        assert [line for line in drawn(console) if "0.0 s" in line] == [
            "   0.0 s  fault 1 of 6: kill -9 db",
            "   0.0 s    db: killed by SIGKILL",
            "   0.0 s    db: runs restart",
            "   0.0 s    db: healed and verified, 3s after it began",
        ]

    def test_it_keeps_the_newest_events_and_its_height(self) -> None:
        console = a_console()
        picture = a_picture(Chronicle(["db"]), console)
        console.print(picture.draw())
        height_empty = len(drawn(console))

        for number in range(100):
            picture.tell(f"event {number} [/bold]")
        full = a_console()
        full.print(picture.draw())

        lines = drawn(full)
        assert len(lines) == height_empty
        assert lines[-1] == "   0.0 s  event 99 [/bold]"
        assert "   0.0 s  event 87 [/bold]" not in lines

    def test_five_services_fit_into_a_small_terminal(self) -> None:
        console = a_console()

        console.print(a_picture(Chronicle(each.name for each in COMPONENTS), console).draw())

        assert len(drawn(console)) < 24

    def test_it_is_redrawn_in_place_while_the_block_lasts(self) -> None:
        console = Console(file=io.StringIO(), width=80, height=40, force_terminal=True)

        with a_picture(Chronicle(["db"]), console) as picture:
            picture.tell("fault 1 of 6: kill -9 db")

        assert isinstance(console.file, io.StringIO)
        assert "fault 1 of 6: kill -9 db" in console.file.getvalue()
        assert console.file.getvalue().endswith("\x1b[?25h")  # The cursor is shown again.


class TestEpilogue:
    def test_the_table_the_sums_and_what_to_try_next(self) -> None:
        console = a_console()

        epilogue(a_score(), ["mendel doctor", "mendel demo --seed 2"], console)

        assert drawn(console) == [
            "",
            "  fault   service   detected   acted    healed   actions",
            " " + 65 * "─",
            "  crash   db        0.25 s     0.01 s   4.10 s   isolate, restart",
            "  hang    cart      -          -        -",
            "",
            "  mean              0.25 s              4.10 s",
            "",
            "2 faults: 1 detected, 1 healed",
            "0 false alarms, 0 unneeded actions",
            "requests of users: 95.4% answered",
            "",
            "Try next:",
            "  mendel doctor",
            "  mendel demo --seed 2",
        ]

    def test_a_run_without_users_says_so(self) -> None:
        assert summary_of(msgspec.structs.replace(a_score(), availability=None)).endswith(
            "requests of users: no requests"
        )
