"""Every command writes the JSON that `mendel schema answer` promises, of a runtime that heals."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mendel.runtime.cli import main
from mendel.runtime.cli.answers import WITHOUT_DATA, answers
from mendel.runtime.schemas import answer_schema
from processes import Folder, eventually, free_port

CONFIG = """\
[web]
port = 0

[[components]]
name = "cart"
kind = "api"
level = "full"
process = {{ exec = [{python!r}, "-S", "service.py", "cart", "{port}"] }}
probes = [{{ http = "http://127.0.0.1:{port}/", every = "100ms", timeout = "400ms" }}]
actions = {{ restart = {{ process = "restart", settle = "300ms" }} }}
"""
GENOME = {
    "type": "genome",
    "genome": 7,
    "parent": 0,
    "origin": "elsewhere",
    "signature": "",
    "genes": {"triage.hold_s": 2.0},
}
SERIES = "timestamp,value\n2026-01-01 00:00:00,1.0\n2026-01-01 00:00:05,2.0\n"

# In this order, for some build on others. Exit code 1 is a negative result, and as good an answer.
ASKED = (
    "status",
    "status --since 7d",
    "status --resources",
    "events -n 5",
    "level",
    "level cart full",
    "agents list",
    "deployed cart --version 1.4",
    "pause cart --for 10m --reason x",
    "resume cart",
    "incidents list",
    "incidents show {incident}",
    "incidents explain {incident}",
    "incidents verify",
    "audit",
    "audit verify",
    "reload",
    "config history",
    "config show",
    "config rollback 1 --reason x",
    "config diff 1 2",
    "genome import genome.json",
    "genome list",
    "genome show 1",
    "genome diff 1",
    "genome promote 1",
    "genome rollback",
    "genome freeze",
    "genome freeze --thaw",
    "web link",
    "web token",
    "check",
    "check wrong.toml",
    "check --explain policy",
    "check --level basic",
    "doctor",
    "init other.toml --blank",
    "completion bash",
    "completion bash --install",
    "agents new night-watch",
    "agents test night_watch.agent:NightWatch",
    "scenarios list",
    "scenarios show crash",
    "scenarios new mine",
    "replay crash --until 60",
    "record import csv series.csv -o series.jsonl.gz",
    "record info series.jsonl.gz",
    "schema config",
    "schema event",
    "schema openapi",
    "schema asyncapi",
    "schema answer status",
    "telemetry alerts",
    "telemetry dashboard",
    "stop",
)
# Each has a test of its own that takes its time: what they write is of the types that are promised.
ELSEWHERE = {"demo", "drill", "genome evolve", "genome front", "genome approve", "approve"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path, CONFIG.format(python=sys.executable, port=free_port()))
    (tmp_path / "wrong.toml").write_text("[policy]\nmoed = 1\n")
    (tmp_path / "genome.json").write_text(json.dumps(GENOME))
    (tmp_path / "series.csv").write_text(SERIES)
    yield made
    made.clean_up()


@pytest.mark.timeout(180)
def test_what_is_written_is_what_was_promised(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.path)
    monkeypatch.setenv("HOME", str(folder.path))
    monkeypatch.syspath_prepend(str(folder.path / "night-watch" / "src"))

    def ask(line: str) -> Any:
        importlib.invalidate_caches()  # One of them writes a package that another one imports.
        code = main([*line.split(), "--output", "json"])
        said = capsys.readouterr()
        assert code in (0, 1, 3), f"{line}: {said.err}"
        if not said.out:
            return {"silent": said.err}
        return json.loads(said.out.splitlines()[0] if line.startswith("events") else said.out)

    folder.start()
    eventually(lambda: ask("status")["status"] == "healthy", within_s=20)
    os.kill(folder.pids["cart"], 9)
    done = eventually(
        lambda: [each for each in ask("incidents list") if each["outcome"]], within_s=40
    )
    schemas = {words: answer_schema(words, types) for words, types in answers().items()}

    with (folder.path / "mendel.toml").open("a") as config:
        config.write('\n[resources]\nlag = "1s"\n')  # Something to reload.
    wrong = {}
    for line in ASKED:
        answer = ask(line.format(incident=done[0]["incident"]))
        words = max((each for each in schemas if line.startswith(each)), key=len)
        for error in jsonschema.Draft202012Validator(schemas[words]).iter_errors(answer):
            wrong[line] = f"{error.json_path}: {error.message}"[:300]

    assert wrong == {}
    asked = {max((each for each in schemas if line.startswith(each)), key=len) for line in ASKED}
    assert asked | ELSEWHERE | set(WITHOUT_DATA) == {*schemas, *WITHOUT_DATA}
