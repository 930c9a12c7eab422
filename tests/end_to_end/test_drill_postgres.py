"""A real database as the patient: PostgreSQL, killed, stopped and cut off, and healed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from processes import free_port

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
# It refuses to run as root.
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
AS_WHOM = AS_POSTGRES if os.geteuid() == 0 else ()

CONFIG = """
[policy]
component_actions = 1000
estate_actions = 1000

[defaults.playbook]
relapse = "0s"

[defaults.verify]
window = "1s"

[[components]]
name = "db"
kind = "database"
process = {{ exec = {run}, stop = "1s" }}
probes = [
  {{ exec = {ask}, every = "500ms", timeout = "1s" }},
  {{ tcp = "127.0.0.1:{port}", every = "500ms" }},
]

[components.actions.restart]
process = "restart"
settle = "5s"
timeout = "15s"
"""
SCENARIO = """
name = "postgres"
description = "What befalls databases."
source = "This test."
until = "10m"

[estate]
topology = "shop"

[must]
detected = ["db"]
healed = ["db"]

[[faults]]
kind = "crash"
target = "db"
at = "1s"

[[faults]]
kind = "hang"
target = "db"
at = "2s"

[[faults]]
kind = "partition"
target = "web>db"
at = "3s"
"""

pytestmark = [
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: apt-get install postgresql"),
    pytest.mark.skipif(
        bool(AS_WHOM) and shutil.which("setpriv") is None, reason="needs setpriv, being root"
    ),
    pytest.mark.timeout(120),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database may enter, whoever runs the tests."""
    assert PROGRAMS is not None
    with TemporaryDirectory(prefix="mendel-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data, port = folder / "data", free_port()
        data.mkdir()
        if AS_WHOM:
            shutil.chown(data, "postgres")
        subprocess.run(
            (*AS_WHOM, str(PROGRAMS / "initdb"), "-D", str(data), "--auth", "trust", "-N"),
            check=True,
            capture_output=True,
            timeout=60,
        )
        settings = ("-c", "unix_socket_directories=", "-c", "fsync=off")
        address = ("-h", "127.0.0.1", "-p", str(port))
        run = [*AS_WHOM, str(PROGRAMS / "postgres"), "-D", str(data), *address, *settings]
        ask = [str(PROGRAMS / "psql"), *address, "-U", "postgres", "-Atc", "select 1"]
        if not AS_WHOM:
            ask[ask.index("postgres")] = os.environ.get("USER", "postgres")
        config = CONFIG.format(run=json.dumps(run), ask=json.dumps(ask), port=port)
        (folder / "mendel.toml").write_text(config)
        (folder / "postgres.toml").write_text(SCENARIO)
        yield folder


def test_it_is_killed_stopped_and_cut_off_and_healed_each_time(folder: Path) -> None:
    command = ("drill", "postgres.toml", "--config", "mendel.toml", "--yes", "--for", "10s")

    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, *command, "--output", "json"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        stdin=subprocess.DEVNULL,
        check=False,
    )

    told = done.stderr[-4000:]
    result = json.loads(done.stdout or "{}")
    faults = result.get("faults", [])
    assert [each["kind"] for each in faults] == ["crash", "hang", "partition"], told
    assert all(each["detected"] and each["healed"] for each in faults), told
    assert (result["passed"], done.returncode) == (True, 0), told
