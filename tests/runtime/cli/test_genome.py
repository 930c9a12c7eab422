from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from histories import write_history
from mendel.core.adoption import Standing
from mendel.core.records import AdoptionRecord, GenomeRecord, SearchRecord
from mendel.runtime.cli import main
from mendel.runtime.store import Store

QUICK = ("--generations", "3", "--population", "12", "--seed", "1")


class Shell:
    """Commands about one state folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = folder / "store.db"
        self.folder = folder
        self._capsys = capsys

    def do(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["genome", *arguments, "--state", str(self.folder)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def data(self, *arguments: str) -> Any:
        return json.loads(self.do(*arguments, "--output", "json")[1])


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def keep(path: Path, *records: Any) -> None:
    async def write() -> None:
        async with Store(path, clock=lambda: 1_000.0) as store:
            for record in records:
                store.note(record)

    asyncio.run(write())


def a_past(path: Path) -> None:
    first = GenomeRecord(
        genome=1,
        parent=0,
        origin="bred",
        signature="5f",
        genes={"triage.hold_s": 1.5, "playbook.attempts": 3},
        support=40,
        gain=0.31,
        gain_low=0.12,
    )
    second = GenomeRecord(
        genome=2, parent=1, origin="ada", signature="", genes={"triage.hold_s": 2.5}
    )
    promoted = AdoptionRecord(
        decision="promoted",
        genome=1,
        reason="the canary is proven better, after 40 incidents",
        standing=Standing(incumbent=1, incumbent_genes=first.genes),
    )
    search = SearchRecord(
        search=1,
        generation=5,
        generations=25,
        evaluations=260.0,
        hypervolume=0.25,
        is_over=False,
        state={"archive": {"objectives": [[2.0, 30.0, 0.0, 1.0], [1.0, 60.0, 0.0, 1.0]]}},
    )
    keep(path, first, promoted, second, search)


class TestLooking:
    def test_genomes_are_listed_with_what_became_of_them(self, shell: Shell) -> None:
        a_past(shell.store)

        code, out, _ = shell.do("list")

        lines = [line.split() for line in out.splitlines()]
        assert code == 0
        assert lines[1][:1] + lines[1][3:] == ["2", "1", "ada", "-", "1"]
        assert lines[2][:3] == ["1", "(in", "force)"]
        assert lines[2][5:10] == ["0", "bred", "31%", "2", "promoted"]
        assert [each["in_force"] for each in shell.data("list")] == [False, True]

    def test_one_is_shown(self, shell: Shell) -> None:
        a_past(shell.store)

        _, out, _ = shell.do("show", "1")

        assert out.splitlines()[:3] == [
            "genome 1, bred, after genome 0",
            "saves 31% of the harm on held-out incidents, 12% at least",
            "promoted: the canary is proven better, after 40 incidents",
        ]
        assert shell.data("show", "2")["genes"] == {"triage.hold_s": 2.5}
        assert "was not examined here" in shell.do("show", "2")[1]

    def test_differences_are_to_the_one_in_force_unless_another_is_named(
        self, shell: Shell
    ) -> None:
        a_past(shell.store)

        code, out, _ = shell.do("diff", "2")

        assert code == 1
        assert [line.split() for line in out.splitlines()[1:]] == [
            ["playbook.attempts", "3", "as", "written"],
            ["triage.hold_s", "1.5", "2.5"],
        ]
        assert shell.data("diff", "2", "0") == {"triage.hold_s": [None, 2.5]}
        assert shell.do("diff", "1")[:2] == (0, "genome 1 is the same as genome 1, in force\n")

    def test_the_front_of_the_newest_search_is_shown(self, shell: Shell) -> None:
        a_past(shell.store)

        _, out, _ = shell.do("front")

        lines = out.splitlines()
        assert lines[0] == (
            "search 1, generation 5 of 25: 260 evaluations, hypervolume 0.2500, 2 that nothing "
            "beats"
        )
        assert lines[2].split() == ["1", "60", "0", "1"]
        assert shell.data("front")["objectives"][0] == "user_harm"

    def test_where_there_is_nothing_that_is_said(self, shell: Shell) -> None:
        keep(shell.store)

        assert shell.do("list")[1:] == ("", "no genomes yet; see: mendel genome evolve --help\n")
        assert "there was no search yet" in shell.do("front")[2]
        code, _, err = shell.do("show", "3")
        assert (code, err) == (1, "error: there is no genome 3; there is none yet\n")
        assert shell.do("export", "3", str(shell.folder / "g.json"))[0] == 1

    def test_what_steers_needs_a_runtime(self, shell: Shell) -> None:
        for arguments in (["promote", "1"], ["rollback"], ["approve"], ["freeze"], ["evolve"]):
            code, _, err = shell.do(*arguments)
            assert code == 5
            assert "no runtime answers" in err


class TestEvolving:
    def test_a_history_gives_a_better_configuration(self, shell: Shell) -> None:
        asyncio.run(write_history(shell.store))
        found = shell.folder / "found.json"

        code, out, err = shell.do(
            "evolve",
            *("--history", str(shell.store), *QUICK, "--export", str(found), "--output", "json"),
        )

        view = json.loads(out)
        assert code == 0
        assert set(view) >= {
            *("evaluations", "seconds", "hypervolume", "incumbent", "knee"),
            *("holdout_improvement", "promoted"),
        }
        assert view["changes"]["watch.thresholds.error_rate.samples"][0] == 9
        assert 0.1 < view["holdout_improvement_low"] <= view["holdout_improvement"] < 1.0
        assert view["promoted"] is False
        assert "generation 3 of 3" in err
        exported = json.loads(found.read_text())
        assert exported["genes"] == {name: new for name, (_, new) in view["changes"].items()}

        again = shell.do("evolve", "--history", str(shell.store), *QUICK)[1]
        assert "of the user harm on held-out incidents" in again.splitlines()[0]

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (("--generations", "0"), "--generations 0 cannot be: Expected `int` >= 1"),
            (("--population", "3"), "--population 3 cannot be: Expected `int` >= 4"),
            (("--cpu-share", "2"), "--cpu-share 2.0 cannot be: Expected `float` <= 1"),
            (("--processes", "0"), "--processes 0 cannot be: Expected `int` >= 1"),
            (("--runs", "0"), "--runs 0 is too few; at least 1"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, shell: Shell, arguments: tuple[str, ...], reason: str
    ) -> None:
        keep(shell.store)

        code, _, err = shell.do("evolve", "--history", str(shell.store), *arguments)

        assert code == 3
        assert reason in err

    def test_a_poor_history_is_refused_politely(self, shell: Shell) -> None:
        asyncio.run(write_history(shell.store, incidents=7))

        code, out, err = shell.do("evolve", "--history", str(shell.store))

        assert (code, out) == (3, "")
        assert err.endswith("there are 7 incidents; at least 30 are needed\n")

    def test_a_history_without_a_configuration_asks_for_one(self, shell: Shell) -> None:
        keep(shell.store)

        code, _, err = shell.do("evolve", "--history", str(shell.store))

        assert code == 3
        assert "holds no configuration; name one: evolve CONFIG" in err

    def test_files_that_are_not_there_or_already_there(self, shell: Shell) -> None:
        keep(shell.store)
        there = shell.folder / "there.json"
        there.write_text("{}")

        code, _, err = shell.do("evolve", "--history", str(shell.folder / "gone.db"))
        assert (code, "there is no such file" in err) == (3, True)
        code, _, err = shell.do(
            "evolve", "--history", str(shell.store), "--export", str(there), *QUICK
        )
        assert (code, "exists; give another name" in err) == (3, True)


class TestCarrying:
    def test_a_genome_goes_to_a_file(self, shell: Shell) -> None:
        a_past(shell.store)
        file = shell.folder / "one.json"

        assert shell.do("export", "1", str(file))[0] == 0
        assert json.loads(file.read_text())["genes"]["triage.hold_s"] == 1.5
        code, _, err = shell.do("export", "1", str(file))
        assert (code, "exists; give another name" in err) == (3, True)
        code, _, err = shell.do("export", "1", str(shell.folder / "no" / "where.json"))
        assert (code, "cannot write" in err) == (3, True)

    def test_a_file_of_something_else_is_refused(self, shell: Shell) -> None:
        foreign = shell.folder / "foreign.json"
        foreign.write_text('{"genes": 7}')

        code, _, err = shell.do("import", str(foreign))
        assert (code, "is no genome that mendel wrote" in err) == (3, True)
        code, _, err = shell.do("import", str(shell.folder / "gone.json"))
        assert (code, "cannot read" in err) == (3, True)
