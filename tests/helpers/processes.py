"""Real processes for end-to-end tests: `mendel run` as users start it, and services to heal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"

# Answers 200, or 503 while the file NAME.broken exists; it starts in a few milliseconds.
SERVICE = """
import os, socket, sys
name, port = sys.argv[1], int(sys.argv[2])
server = socket.create_server(("127.0.0.1", port))
while True:
    client, _ = server.accept()
    try:
        client.settimeout(1.0)
        client.recv(65536)
        status = b"503 Broken" if os.path.exists(name + ".broken") else b"200 OK"
        client.sendall(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 0\\r\\n"
                       b"Connection: close\\r\\n\\r\\n")
    except OSError:
        pass
    client.close()
"""


def eventually(ask: Callable[[], T | None], *, within_s: float, what: str = "") -> T:
    """Ask until the answer is true, and give it back; fails when that takes too long."""
    deadline_s = time.monotonic() + within_s
    while not (answer := ask()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s:g} s: {what or ask}; last: {answer!r}")
        time.sleep(0.01)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


class Folder:
    """A folder with a configuration, and the commands that are given in it."""

    def __init__(self, path: Path, config: str) -> None:
        self.path = path
        self.path.mkdir(exist_ok=True)
        (path / "service.py").write_text(SERVICE)
        (path / "mendel.toml").write_text(config)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start `mendel run`, and wait until it heals."""
        self.starts += 1
        log = self.path / f"run-{self.starts}.log"
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                (sys.executable, "-c", _PROGRAM, "run"), cwd=self.path, stdout=sink, stderr=sink
            )
        eventually(
            lambda: "mendel heals" in log.read_text() or self._ended(),
            within_s=20,
            what="mendel starts",
        )
        assert not self._ended(), log.read_text()

    def kill(self) -> None:
        """End `mendel run` as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """End it in order; returns how long that took."""
        assert self.process is not None
        begun_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=10)
        took_s = time.monotonic() - begun_s
        assert status == 0, self.log
        return took_s

    def clean_up(self) -> None:
        """End everything that was started here, however the test went."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.pids.values():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

    def mendel(self, *arguments: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            (sys.executable, "-c", _PROGRAM, *arguments),
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def ask(self, *arguments: str, timeout_s: float = 30.0) -> Any:
        """What a command answers as JSON."""
        answer = self.mendel(*arguments, "--output", "json", timeout_s=timeout_s)
        return json.loads(answer.stdout)

    @property
    def pid(self) -> int:
        """Number of the process of `mendel run`."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What the present `mendel run` has told."""
        return (self.path / f"run-{self.starts}.log").read_text()

    @property
    def pids(self) -> dict[str, int]:
        """Number of the process of each managed component, as mendel has written it down."""
        try:
            entries = json.loads((self.path / ".mendel" / "processes.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return {name: entry.get("pid", 0) for name, entry in entries.items() if entry.get("pid")}

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None
