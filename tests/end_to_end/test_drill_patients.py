"""Real servers as patients: nginx and Redis, broken in every way that befalls them, and healed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from processes import free_port

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
POLICY = """
[policy]
component_actions = 1000
estate_actions = 1000

[defaults.playbook]
relapse = "0s"

[defaults.verify]
window = "1s"

[[components]]
name = "patient"
"""
RESTART = """
[components.actions.restart]
process = "restart"
settle = "3s"
timeout = "15s"
"""
# A web server with a worker that outlives a master that is killed: it holds the port.
NGINX = """
kind = "ui"
probes = [{{ http = "http://127.0.0.1:{port}/", every = "500ms", timeout = "1s" }}]

[components.process]
exec = ["sh", "-c", '''
cat > nginx.conf <<END
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{ listen 127.0.0.1:$PORT; location / {{ return 200 "well"; }} }}
}}
END
exec nginx -p . -e stderr -c nginx.conf''']
env = {{ PORT = "{port}" }}
cwd = "{folder}"
stop = "1s"
"""
REDIS = """
kind = "cache"
probes = [
  {{ exec = ["redis-cli", "-p", "{port}", "ping"], every = "500ms", timeout = "1s" }},
  {{ tcp = "127.0.0.1:{port}", every = "500ms" }},
]

[components.process]
exec = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", ""]
cwd = "{folder}"
stop = "1s"
"""
SCENARIO = """
name = "patient"
description = "What befalls servers."
source = "This test."
until = "10m"

[estate]
topology = "shop"

[must]
detected = ["db"]
healed = ["db"]
"""


class Patient(NamedTuple):
    """A program of somebody else, and what befalls it.

    Attributes:
        program: that has to be there.
        package: that brings it, in Debian.
        spec: its component.
        faults: kinds of the catalogue, in order.
        drilled: what they are called once they are made real.
    """

    program: str
    package: str
    spec: str
    faults: tuple[str, ...]
    drilled: tuple[str, ...]


PATIENTS = (
    Patient(
        "nginx",
        "nginx-light",
        NGINX,
        ("crash", "hang", "bad_deploy", "partition"),
        ("crash", "hang", "failing", "partition"),
    ),
    Patient(
        "redis-server",
        "redis-server",
        REDIS,
        ("crash", "hang", "partition"),
        ("crash", "hang", "partition"),
    ),
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("patient", PATIENTS, ids=lambda each: each.program)
def test_it_is_broken_and_healed_each_time(patient: Patient) -> None:
    if shutil.which(patient.program) is None:
        pytest.skip(f"needs {patient.program}: apt-get install {patient.package}")
    command = ("drill", "patient.toml", "--config", "mendel.toml", "--target", "patient", "--yes")
    with TemporaryDirectory(prefix="mendel-patient-") as name:
        folder = Path(name)
        spec = patient.spec.format(port=free_port(), folder=folder)
        (folder / "mendel.toml").write_text(POLICY + spec + RESTART)
        (folder / "patient.toml").write_text(SCENARIO + "".join(map(fault, patient.faults)))
        done = subprocess.run(
            (sys.executable, "-c", PROGRAM, *command, "--for", "8s", "--output", "json"),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=140,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    told = done.stderr[-4000:]
    result = json.loads(done.stdout or "{}")
    faults = result.get("faults", [])
    assert tuple(each["kind"] for each in faults) == patient.drilled, told
    assert all(each["detected"] and each["healed"] for each in faults), told
    assert (result["passed"], done.returncode) == (True, 0), told


def fault(kind: str) -> str:
    return f'\n[[faults]]\nkind = "{kind}"\ntarget = "db"\nat = "1s"\n'
