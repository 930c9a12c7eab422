"""What a program reads of `mendel run` on stderr, from a real trouble to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import Folder, eventually, free_port

CONFIG = """\
[runtime]
log_format = "json"

[web]
port = 0

[[components]]
name = "cart"
kind = "api"
process = {{ exec = [{python!r}, "service.py", "cart", "{port}"] }}
plan = ["shout", "restart"]

[[components.probes]]
http = "http://127.0.0.1:{port}/health"
every = "200ms"
timeout = "400ms"
headers = {{ Authorization = {{ env = "SHOP_KEY" }} }}

[components.actions]
shout = {{ exec = ["sh", "-c", "echo the key is $SHOP_KEY; exit 1"], settle = "0s" }}
restart = {{ exec = ["rm", "cart.broken"], settle = "300ms" }}
"""
SECRET = "correct-horse-battery"


@pytest.mark.timeout(60)
def test_every_line_is_json_has_its_incident_and_no_secret(tmp_path: Path) -> None:
    port = free_port()
    folder = Folder(tmp_path, CONFIG.format(python=sys.executable, port=port))
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    log = tmp_path / "run.log"
    with log.open("wb") as sink:
        folder.process = subprocess.Popen(
            [sys.executable, "-c", program, "run"],
            cwd=tmp_path,
            stderr=sink,
            env={**os.environ, "SHOP_KEY": SECRET},
        )
    try:
        eventually(lambda: status_of(folder) == "healthy", within_s=20)
        (tmp_path / "cart.broken").touch()
        eventually(lambda: "healed and verified" in log.read_text(), within_s=30)
        folder.process.send_signal(signal.SIGTERM)
        assert folder.process.wait(10) == 0
    finally:
        folder.clean_up()

    lines: list[dict[str, Any]] = [json.loads(each) for each in log.read_text().splitlines()]
    assert lines[0]["text"].startswith("mendel heals 1 component")
    assert lines[-1]["text"] == "mendel has stopped"
    assert all({"time", "level", "logger", "text"} <= each.keys() for each in lines)
    healed = next(each for each in lines if "healed and verified" in each["text"])
    own = [each for each in lines if each.get("incident") == healed["incident"]]
    told = [each["event"] for each in own]
    assert told[0] == "IncidentOpened"
    assert told[-1] == "IncidentClosed"
    assert {"ActionStarted", "ActionFinished"} <= set(told)
    between = lines[lines.index(own[0]) : lines.index(own[-1])]
    assert [each for each in between if each.get("target") and not each.get("incident")] == []
    assert any("the key is ***" in each["text"] for each in lines)
    kept = b"".join(each.read_bytes() for each in (tmp_path / ".mendel").glob("store.db*"))
    assert SECRET not in log.read_text()
    assert SECRET.encode() not in kept


def status_of(folder: Folder) -> str:
    told = folder.mendel("status", "--output", "json").stdout
    return str(json.loads(told)["components"][0]["status"]) if told else ""
