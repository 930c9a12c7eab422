"""Three services of a user's own, each broken from outside in its own way, and healed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Folder, eventually, free_port, is_alive

# Serves as service.py does, until the file NAME.deaf exists: then it closes its port and lives on.
DEAF = """
import os, socket, sys, time
name, port = sys.argv[1], int(sys.argv[2])
if os.path.exists(name + ".deaf"):
    os.remove(name + ".deaf")
server = socket.create_server(("127.0.0.1", port))
server.settimeout(0.05)
while not os.path.exists(name + ".deaf"):
    try:
        client, _ = server.accept()
    except TimeoutError:
        continue
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    client.close()
server.close()
time.sleep(1000)
"""
CONFIG = """
[defaults.verify]
window = "500ms"
"""
COMPONENT = """
[[components]]
name = "{name}"
depends_on = {needs}
process = {{ exec = ["{python}", "-S", "{program}", "{name}", "{port}"] }}
probes = [{{ http = "http://127.0.0.1:{port}/", every = "200ms", timeout = "150ms" }}]
[components.actions.restart]
process = "restart"
settle = "2s"
"""


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Folder]:
    config = CONFIG
    for name, needs in (("db", "[]"), ("cart", '["db"]'), ("web", '["cart"]')):
        config += COMPONENT.format(
            name=name,
            needs=needs,
            python=sys.executable,
            program="deaf.py" if name == "web" else "service.py",
            port=free_port(),
        )
    folder = Folder(tmp_path / "shop", config)
    (folder.path / "deaf.py").write_text(DEAF)
    folder.start()
    eventually(lambda: folder.ask("status")["status"] == "healthy", within_s=15)
    yield folder
    folder.clean_up()


def healed(estate: Folder, name: str) -> dict[str, Any]:
    """The incident of a component, once it is over."""

    def found() -> list[dict[str, Any]]:
        incidents = estate.ask("incidents", "list", "--component", name)
        return [each for each in incidents if each["outcome"] == "healed"]

    return eventually(found, within_s=20, what=f"{name} is healed: {estate.log}")[0]


def explained(estate: Folder, incident: str) -> dict[str, str]:
    """What `incidents explain` tells, by part."""
    text = estate.mendel("incidents", "explain", incident).stdout
    headline, *parts = text.split("\n\n")
    return {"Headline": headline} | dict(part.split("\n", 1) for part in parts)


def test_what_is_broken_from_outside_is_healed_and_explained_in_words(estate: Folder) -> None:
    pids = estate.pids

    os.kill(pids["db"], signal.SIGKILL)
    story = explained(estate, healed(estate, "db")["incident"])
    assert "db was healed and verified by restart" in story["Headline"]
    assert "alive is 0" in story["Seen"] or "reachable is 0" in story["Seen"]
    # By its own process, or, when a request was cut off first, because it depends on nothing.
    assert "db itself: " in story["Blamed"]
    assert "restart on db: succeeded" in story["Done"]
    assert "killed by SIGKILL" in story["Done"]
    assert "over: all metrics within bounds" in story["Verified"]

    os.kill(pids["cart"], signal.SIGSTOP)
    story = explained(estate, healed(estate, "cart")["incident"])
    assert "stopped is 1" in story["Seen"] or "answered is 0" in story["Seen"]
    assert "restart on cart: succeeded" in story["Done"]
    assert not is_alive(pids["cart"])

    (estate.path / "web.deaf").touch()
    story = explained(estate, healed(estate, "web")["incident"])
    assert "reachable is 0, should be at least 0.5" in story["Seen"]
    assert "restart on web: succeeded" in story["Done"]

    left = estate.pids
    assert {name for name in pids if left[name] != pids[name]} == {"db", "cart", "web"}
    done = [action for each in estate.ask("incidents", "list") for action in each["actions"]]
    assert done == ["restart"] * 3, "callers were left alone"
    eventually(lambda: estate.ask("status")["status"] == "healthy", within_s=10)
    assert estate.stop() < 2.0
    assert not any(map(is_alive, left.values()))
