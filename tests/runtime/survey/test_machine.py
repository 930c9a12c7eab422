"""What runs here is found: real processes, real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.cli import main
from mendel.runtime.config import load
from mendel.runtime.survey import Service, look
from mendel.runtime.survey.machine import _called, _needs, _Process
from processes import eventually, free_port

WEB = """
import http.server, socket, sys
back = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
STORE = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
held = []
while True:
    held.append(server.accept())
"""


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[dict[str, int]]:
    (tmp_path / "web-shop.py").write_text(WEB)
    (tmp_path / "store.py").write_text(STORE)
    found = {"store": free_port(), "web-shop": free_port()}
    store = [sys.executable, "store.py", str(found["store"])]
    web = [sys.executable, "web-shop.py", str(found["web-shop"]), str(found["store"])]
    running = [subprocess.Popen(store, cwd=tmp_path)]
    try:
        eventually(lambda: named(f"127.0.0.1:{found['store']}"), within_s=20)
        running.append(subprocess.Popen(web, cwd=tmp_path))
        eventually(lambda: named(f"127.0.0.1:{found['web-shop']}"), within_s=20)
        yield found
    finally:
        for each in running:
            each.kill()
            each.wait()


def named(address: str) -> Service | None:
    return next((each for each in look() if each.address == address), None)


@pytest.mark.timeout(90)
def test_what_listens_is_drafted_with_what_it_needs(
    ports: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["init", "--output", "json"]) == 0

    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    found = {each["address"]: each for each in told["services"]}
    store, web = (found[f"127.0.0.1:{ports[name]}"] for name in ("store", "web-shop"))
    assert (store["kind"], store["path"]) == ("service", "")
    assert (web["kind"], web["path"]) == ("api", "/healthz")
    assert web["needs"] == [store["name"]]
    assert "pid" in web["found"]
    names = {each.name for each in load("mendel.toml").config.components}
    assert {store["name"], web["name"]} <= names

    before = Path("mendel.toml").read_text()
    assert main(["init"]) == 3
    assert "mendel.toml is there already" in capsys.readouterr().err
    assert Path("mendel.toml").read_text() == before


def test_a_first_file_can_be_had_without_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["init", "--blank"]) == 0
    assert main(["check"]) == 0
    assert "mendel.toml is fine: 2 components" in capsys.readouterr().out
    assert main(["init", "nowhere/mendel.toml", "--blank"]) == 4


@pytest.mark.parametrize(
    ("program", "arguments", "called"),
    [
        ("postgres", ["postgres", "-D", "/data"], "postgres"),
        ("python3.11", ["python3", "-u", "/srv/shop.py", "--port", "80"], "shop"),
        ("python3", ["python3", "-m", "uvicorn", "shop:app"], "uvicorn"),
        ("node", ["node", "server.js"], "server"),
        ("java", ["java"], "java"),
    ],
)
def test_an_interpreter_is_called_by_what_it_runs(
    program: str, arguments: list[str], called: str
) -> None:
    assert _called(_Process(1, program, arguments, "", (80,))) == called


def test_nobody_needs_itself_or_strangers() -> None:
    class At:
        def __init__(self, port: int) -> None:
            self.ip, self.port = "127.0.0.1", port

    class Connection:
        def __init__(self, pid: int, here: int, there: int) -> None:
            self.status, self.pid, self.laddr, self.raddr = "ESTABLISHED", pid, At(here), At(there)

    owners = {80: 1, 5432: 2}
    seen = [
        Connection(1, 40_000, 5432),
        Connection(1, 40_001, 5432),
        Connection(2, 5432, 40_000),  # The other end of the first.
        Connection(1, 40_002, 80),
        Connection(1, 40_003, 9999),
    ]

    assert dict(_needs(seen, owners)) == {1: [2]}


def test_what_is_written_of_a_procfile_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Procfile").write_text("web: python3 web.py\n")

    assert main(["init", "--from", "Procfile"]) == 0

    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "mendel.toml is written"
    assert "web        service         Procfile, line 1" in said.out
    assert "mendel run --mode observe" in said.err
