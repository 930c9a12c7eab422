from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.runtime.store import Archive
from mendel.runtime.store.audit import ORIGIN, AuditFact, AuditRow, Check, Link, linked

if TYPE_CHECKING:
    from .conftest import OpenStore, Records, Sweep


def a_trail(length: int, start: Link = ORIGIN) -> list[AuditRow]:
    rows, link = [], start
    for number in range(length):
        fact = AuditFact(1_000.5 + number, "action_intended", "mendel", "cart", "{}")
        link = linked(link, fact)
        rows.append(AuditRow(seq=link.seq, hash=link.hash, **fact._asdict()))
    return rows


def broken_seq(rows: list[AuditRow], head: AuditRow) -> int | None:
    check = Check(ORIGIN)
    check.follow(rows)
    return check.end(Link(head.seq, head.hash)).broken_seq


class TestChain:
    def test_a_trail_nobody_touched_is_in_order(self) -> None:
        rows = a_trail(3)
        check = Check(ORIGIN)
        check.follow(rows)

        verified = check.end(Link(3, rows[-1].hash))

        assert (verified.rows, verified.broken_seq, verified.head) == (3, None, rows[-1].hash)

    def test_a_link_is_known(self) -> None:
        # Worked out by hand with sha256sum: what is on disk today must verify in ten years.
        fact = AuditFact(1.5, "target_paused", "ada", "cart", '{"reason":"deploy"}')

        assert linked(ORIGIN, fact) == Link(
            1, "9daf8114f96460e8533044c4fcd54b4f5cc1bcc55337620c5c30260c3180e59f"
        )

    @given(data=st.data())
    def test_whatever_is_changed_breaks_the_chain_there(self, data: st.DataObject) -> None:
        rows = a_trail(5)
        at = data.draw(st.integers(0, 4))
        field = data.draw(st.sampled_from(["utc", "kind", "who", "target", "detail", "hash"]))
        row = rows[at]
        changed = {each: getattr(row, each) for each in row.__struct_fields__}
        changed[field] = 7.0 if field == "utc" else "forged"

        forged = [*rows[:at], AuditRow(**changed), *rows[at + 1 :]]

        assert broken_seq(forged, head=rows[-1]) == at + 1

    @given(at=st.integers(0, 4))
    def test_a_row_that_is_missing_breaks_it_there(self, at: int) -> None:
        rows = a_trail(5)

        assert broken_seq(rows[:at] + rows[at + 1 :], head=rows[-1]) == at + 1

    def test_rows_cannot_change_places(self) -> None:
        rows = a_trail(3)

        assert broken_seq([rows[0], rows[2], rows[1]], head=rows[2]) == 2


def tamper(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


class TestTrailOnDisk:
    async def test_actions_are_accounted_for(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-1"))
            await store.commit(a.outcome("1-1"))
            store.note_fact("action_run_by_hand", who="ada", target="db", detail={"why": "test"})

        async with Archive(path) as archive:
            trail = await archive.audit()
            verified = await archive.verify()
        assert [(each.seq, each.kind, each.who, each.target) for each in trail] == [
            (3, "action_run_by_hand", "ada", "db"),
            (2, "action_finished", "mendel", "1-1"),
            (1, "action_intended", "mendel", "cart"),
        ]
        assert (verified.rows, verified.broken_seq, verified.head) == (3, None, trail[0].hash)

    async def test_goes_on_over_runs_and_verifies_in_pieces(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        for run in range(3):
            async with open_store() as store:
                for number in range(700):
                    store.note(a.intent(f"{run}-{number}"))

        async with Archive(path) as archive:
            verified = await archive.verify()
        assert (verified.rows, verified.broken_seq) == (2_100, None)

    async def test_verifies_while_the_store_goes_on(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store, Archive(path) as archive:
            for number in range(50):
                await store.commit(a.intent(f"1-{number}"))
                assert (await archive.verify()).broken_seq is None

    @pytest.mark.parametrize(
        ("statement", "seq", "reason"),
        [
            ("UPDATE audit SET who = 'nobody' WHERE seq = 4", 4, "its hash does not fit"),
            ("UPDATE audit SET utc = utc + 1 WHERE seq = 4", 4, "its hash does not fit"),
            ("DELETE FROM audit WHERE seq = 4", 4, "row 4 is missing; row 5 follows"),
            ("DELETE FROM audit WHERE seq = 1", 1, "row 1 is missing; row 2 follows"),
            ("DELETE FROM audit WHERE seq > 7", 8, "should end with row 9"),
            ("DELETE FROM audit", 1, "should end with row 9"),
        ],
    )
    async def test_the_first_row_that_was_tampered_with_is_found(
        self,
        open_store: OpenStore,
        path: Path,
        a: Records,
        statement: str,
        seq: int,
        reason: str,
    ) -> None:
        async with open_store() as store:
            for number in range(9):
                store.note(a.intent(f"1-{number}"))

        tamper(path, statement)

        async with Archive(path) as archive:
            verified = await archive.verify()
        assert verified.broken_seq == seq
        assert verified.rows == seq - 1
        assert reason in verified.reason

    async def test_still_verifies_when_its_old_rows_have_been_swept(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        async with open_store(clock=lambda: 1_000.0) as store:
            for number in range(250):
                store.note(a.outcome(f"1-{number}"))
        async with open_store(clock=lambda: 2_000.0) as store:
            for number in range(50):
                store.note(a.outcome(f"2-{number}"))

        await sweep(now_utc=2_500.0, keep_s=1_000.0)

        async with Archive(path) as archive:
            verified = await archive.verify()
            (oldest,) = (await archive.audit(limit=50))[-1:]
        assert (verified.rows, verified.broken_seq, oldest.seq) == (50, None, 251)

        tamper(path, "DELETE FROM audit WHERE seq = 251")
        async with Archive(path) as archive:
            assert (await archive.verify()).broken_seq == 251
