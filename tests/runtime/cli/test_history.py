from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from mendel.bus.messages import ApprovalGiven
from mendel.core.records import IncidentRecord, IntentRecord, OutcomeRecord, WindowRecord
from mendel.runtime.cli import main
from mendel.runtime.store import Store

UTC = 1_700_000_000.0


def a_record(incident: str, target: str, stage: str, reason: str, outcome: str) -> IncidentRecord:
    return IncidentRecord(
        incident=incident,
        target=target,
        stage=stage,
        reason=reason,
        at_s=10.0,
        onset_s=9.5,
        outcome=outcome,
        actions=("restart",),
    )


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder of a runtime that healed one incident, and left another one open."""
    folder = tmp_path_factory.mktemp("state")

    async def live() -> None:
        async with Store(folder / "store.db", clock=lambda: UTC) as store:
            store.note(a_record("1-1", "db", "triage", "alive is 0", ""))
            store.note(a_record("1-1", "db", "recovering", "it is dead; runs restart", ""))
            intent = IntentRecord(
                intent="1-1.1",
                incident="1-1",
                target="db",
                action="restart",
                attempt=1,
                timeout_s=5.0,
                at_s=10.1,
            )
            await store.commit(intent)
            store.note(
                OutcomeRecord(
                    intent="1-1.1", outcome="succeeded", detail="pid 7", duration_s=0.2, at_s=10.3
                )
            )
            store.note(
                WindowRecord(
                    incident="1-1",
                    target="db",
                    times_s=(9.0, 9.5),
                    metrics={"alive": (1.0, 0.0), "ok": (1.0, None)},
                )
            )
            store.note(a_record("1-1", "db", "closed", "all is well", "healed"))
            store.note(a_record("1-2", "cart", "awaiting_approval", "may it?", ""))
            store.observe(ApprovalGiven(approval="1-2.1", who="ann"))
            await store.commit(a_record("1-2", "cart", "awaiting_approval", "may it?", ""))

    asyncio.run(live())
    return folder


def run(past: Path, *arguments: str) -> int:
    return main(["incidents", *arguments, "--state", str(past)])


class TestList:
    def test_the_newest_comes_first(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(past, "list") == 0

        header, newest, oldest = capsys.readouterr().out.splitlines()
        assert header.split()[:4] == ["INCIDENT", "COMPONENT", "OPENED", "LASTED"]
        assert "1-2" in newest
        assert "open: awaiting approval" in newest
        assert oldest.endswith("healed                   restart  all is well")

    @pytest.mark.parametrize(
        ("options", "incidents"),
        [
            ([], ["1-2", "1-1"]),
            (["--open"], ["1-2"]),
            (["--component", "db"], ["1-1"]),
            (["-n", "1"], ["1-2"]),
        ],
    )
    def test_it_can_be_narrowed(
        self,
        past: Path,
        options: list[str],
        incidents: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(past, "list", *options, "--output", "jsonl") == 0

        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["incident"] for line in lines] == incidents

    def test_none_is_told_beside_the_data(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(past, "list", "--component", "web") == 0

        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "no incidents\n")

    def test_without_a_store_it_is_an_environment_problem(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(tmp_path, "list") == 4

        assert "there is no store here" in capsys.readouterr().err

    def test_an_unreadable_store_is_one_clear_message(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "store.db").write_bytes(b"no database" * 1000)

        assert run(tmp_path, "list") == 4

        said = capsys.readouterr().err
        assert said.startswith(f"error: {tmp_path}/store.db: ")
        assert "Traceback" not in said


class TestShow:
    def test_the_whole_record_is_shown(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(past, "show", "1-1") == 0

        said = capsys.readouterr().out
        assert "recovering  it is dead; runs restart" in said
        assert "restart  db  1        succeeded  200ms  pid 7" in said
        assert said.endswith(
            "readings of db, in seconds before the last one\n"
            "TIME   alive  ok\n"
            "-0.50  1      1\n"
            "+0.00  0\n"
        )

    def test_for_programs_it_is_one_document(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(past, "show", "1-1", "--output", "json") == 0

        found = json.loads(capsys.readouterr().out)
        assert [each["record"]["stage"] for each in found["transitions"]] == [
            "triage",
            "recovering",
            "closed",
        ]

    def test_an_unknown_one_is_answered_with_those_there_are(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(past, "show", "9") == 1

        assert capsys.readouterr().err == (
            "error: there is no incident '9'; the newest ones: 1-2, 1-1\n"
        )


class TestExplain:
    def test_it_is_told_in_words(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(past, "explain", "1-1") == 0

        assert capsys.readouterr().out == (
            "Incident 1-1 of db was healed and verified by restart, 0ms after it was opened.\n"
            "\n"
            "Seen\n"
            "  +0ms alive is 0, found 500ms after it began\n"
            "  db: alive was 1 before, then 0 (1 reading)\n"
            "\n"
            "Blamed\n"
            "  +0ms db itself: it is dead\n"
            "\n"
            "Done\n"
            "  +0ms restart on db: succeeded after 200ms (pid 7)\n"
            "\n"
            "Verified\n"
            "  +0ms over: all is well\n"
        )

    def test_for_programs_the_parts_are_apart(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(past, "explain", "1-1", "--output", "json") == 0

        assert json.loads(capsys.readouterr().out)["done"] == [
            "+0ms restart on db: succeeded after 200ms (pid 7)"
        ]


class TestVerify:
    def test_an_intact_trail_is_zero(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(past, "verify") == 0

        assert capsys.readouterr().out.startswith("the audit trail is intact: ")

    def test_a_changed_one_is_one_and_names_the_row(
        self, past: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        copy = tmp_path / "store.db"
        copy.write_bytes((past / "store.db").read_bytes())
        with sqlite3.connect(copy) as database:
            database.execute("UPDATE audit SET who = 'bob' WHERE who = 'ann'")
        database.close()

        assert run(tmp_path, "verify", "--output", "json") == 1

        found = json.loads(capsys.readouterr().out)
        assert found["broken_seq"] == found["rows"] + 1


class TestAudit:
    def test_who_did_what_is_listed_newest_first(
        self, past: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["audit", "--state", str(past)]) == 0

        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["SEQ", "WHEN", "WHAT", "WHO", "TARGET", "WHY"]
        assert "approval given" in lines[1]
        assert "ann" in lines[1]
        assert lines[-1].endswith("restart")

    def test_programs_get_the_details(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["audit", "-n", "1", "--state", str(past), "--output", "json"]) == 0

        (line,) = json.loads(capsys.readouterr().out)
        assert (line["who"], line["detail"]["approval"]) == ("ann", "1-2.1")

    def test_it_can_be_checked(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["audit", "verify", "--state", str(past)]) == 0
        assert "the audit trail is intact" in capsys.readouterr().out


class TestSuccess:
    def test_a_period_in_words(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "--since", "36500d", "--state", str(past)]) == 0

        printed = " ".join(capsys.readouterr().out.split())
        assert "2: 1 healed, 0 passed by themselves, 0 were symptoms, 1 open" in printed
        assert "healed without a person 100.0%" in printed
        assert "onset to detection mean 500ms" in printed

    def test_nothing_in_it(self, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "--since", "1h", "--state", str(past), "--output", "json"]) == 0

        found = json.loads(capsys.readouterr().out)
        assert (found["incidents"], found["effectiveness"], found["recovery"]) == (0, None, None)
