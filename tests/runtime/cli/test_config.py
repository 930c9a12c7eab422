"""Another configuration for a real runtime, by file, signal and command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.cli import main
from mendel.runtime.client import ControlClient

DB = """\
[[components]]
name = "db"
process = { exec = ["sleep", "1000"] }
probes = [{ heartbeat = "1h", every = "10ms" }, { process = true }]
"""
CART = """
[[components]]
name = "cart"
process = { exec = ["sleep", "1001"] }
"""


def wait_for(what: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The first answer that is true; the runtime is another process, so it has to be asked."""
    deadline_s = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s"
        time.sleep(0.02)  # Bounded polling of another process: there is no event to wait for.
    return answer


class Runtime:
    """`mendel run` in a folder, and the commands about it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "mendel.toml"
        self.state = folder / ".mendel"
        self._capsys = capsys
        self.file.write_text(DB)
        program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "run"],
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: self.do("status")[0] == 0)

    def do(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, data and notes of a command."""
        code = main([*arguments, "--state", str(self.state)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def data(self, *arguments: str) -> Any:
        return json.loads(self.do(*arguments, "--output", "json")[1])

    def components(self) -> list[str]:
        return [each["name"] for each in self.data("status")["components"]]

    def processes(self) -> dict[str, int]:
        written = json.loads((self.state / "processes.json").read_text())
        return {name: each["pid"] for name, each in written.items()}

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture
def runtime(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Runtime]:
    found = Runtime(tmp_path, capsys)
    try:
        yield found
    finally:
        found.end()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_reload_starts_and_ends_processes_and_leaves_the_others_alone(runtime: Runtime) -> None:
    db = runtime.processes()["db"]
    runtime.file.write_text(DB + CART)

    code, out, _ = runtime.do("reload", "--reason", "more orders")

    assert code == 0
    assert "components.cart is new" in out
    cart = wait_for(lambda: runtime.processes().get("cart"))
    runtime.file.write_text(DB)
    assert runtime.do("reload")[0] == 0
    wait_for(lambda: not lives(cart))
    assert runtime.components() == ["db"]
    assert runtime.processes() == {"db": db}
    assert lives(db)


def test_a_mistake_is_shown_as_check_shows_it_and_changes_nothing(runtime: Runtime) -> None:
    runtime.file.write_text(f'{DB}[policy]\nmode = "obsrve"\n')

    code, out, notes = runtime.do("reload")

    assert (code, out) == (3, "")
    assert "error[MD105]" in notes
    assert "mendel.toml:6" in notes
    assert "did you mean `observe`?" in notes
    assert "nothing has changed" in notes
    view = runtime.data("reload")
    assert (view["taken"], view["problems"][0]["place"]) == (False, "policy.mode")
    assert runtime.data("status")["mode"] == "act"


def test_versions_can_be_listed_shown_compared_and_taken_back(runtime: Runtime) -> None:
    runtime.file.write_text(DB + CART)
    runtime.do("reload", "--reason", "more orders")
    wait_for(lambda: len(runtime.data("config", "history")) == 2)

    whys = [(each["version"], each["why"]) for each in runtime.data("config", "history")]
    assert whys == [(2, "more orders"), (1, "")]
    assert runtime.do("config", "show", "1")[1] == DB
    code, out, _ = runtime.do("config", "diff")
    assert code == 1
    assert '+name = "cart"' in out

    code, out, notes = runtime.do("config", "rollback", "1", "--reason", "oops")
    assert code == 0
    assert "components.cart is gone" in out
    assert "was not changed" in notes
    assert runtime.components() == ["db"]
    assert runtime.file.read_text() == DB + CART

    runtime.do("config", "rollback", "1", "--write")
    assert runtime.file.read_text() == DB
    assert runtime.file.with_name("mendel.toml.before").read_text() == DB + CART
    assert runtime.do("config", "rollback", "99")[0] == 3
    assert runtime.do("config", "show", "99")[0] == 1


def test_hangups_under_load_lose_no_message(runtime: Runtime) -> None:
    sent = 0
    with ControlClient(runtime.state / "control.sock") as client:
        for number in range(40):
            runtime.file.write_text(DB + CART if number % 2 else f"{DB}# {number}\n")
            runtime.process.send_signal(signal.SIGHUP)
            for _ in range(25):
                client.wish("heartbeat", target="db", metrics={"number": float(sent)})
                sent += 1
        runtime.file.write_text(DB + CART)
        runtime.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "cart" in runtime.components())

    counters = runtime.data("status")["counters"]
    assert counters["heartbeat"] == sent == 1000
    assert counters["system.config.changed"] >= 5  # Signals that meet are one.
    assert [name for name in counters if name.startswith("dead.")] == []
    assert runtime.process.poll() is None
