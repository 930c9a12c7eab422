"""The user's estate is fitted to a drill: proxies before it, ballast beside it, files untouched."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from stat import S_ISFIFO

import pytest
from mendel.errors import ConfigError, EnvironmentProblem
from mendel.runtime.config import Loaded, load
from mendel.runtime.drill.hands import leak_bytes
from mendel.runtime.drill.plan import plan_of
from mendel.runtime.drill.stage import fitted, proxies

CONFIG = """
[[components]]
name = "web"
depends_on = ["db"]
process = { exec = ["serve", "--port", "8001", "--db", "127.0.0.1:8002", "--id", "18001"] }
probes = [{ http = "http://127.0.0.1:8001/" }]
thresholds = { memory_bytes = { above = "50MB", own = true } }

[[components]]
name = "db"
process = { exec = ["store"], env = { PORT = "8002" } }
probes = [{ tcp = "localhost:8002" }]
"""


def loaded(tmp_path: Path, text: str = CONFIG) -> Loaded:
    path = tmp_path / "mendel.toml"
    path.write_text(text)
    return load(path, environ={})


def fit(loaded: Loaded, kind: str, target: str):  # type: ignore[no-untyped-def]
    plan = plan_of(kind, loaded.config.components, target=target, for_s=1.0)
    return fitted(loaded, plan)


def test_a_proxy_takes_the_port_and_the_component_another_one(tmp_path: Path) -> None:
    config = loaded(tmp_path)

    with fit(config, "slow", "web") as fitting:
        listen, service = fitting.before["web"]
        web, db = fitting.loaded.config.components

    assert listen == ("127.0.0.1", 8001)
    assert service[0] == "127.0.0.1"
    assert service[1] != 8001
    assert web.process is not None
    new = str(service[1])
    assert web.process.exec[:3] == ("serve", "--port", new)
    assert web.process.exec[3:] == ("--db", "127.0.0.1:8002", "--id", "18001")
    assert web.probes == config.config.components[0].probes
    assert db == config.config.components[1]
    assert (tmp_path / "mendel.toml").read_text() == CONFIG


def test_a_port_in_the_environment_is_changed_too(tmp_path: Path) -> None:
    with fit(loaded(tmp_path), "partition", "db") as fitting:
        process = fitting.loaded.config.components[1].process

    assert process is not None
    assert process.env == {"PORT": str(fitting.before["db"][1][1])}


def test_ballast_waits_beside_the_command_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    config = loaded(tmp_path)

    with fit(config, "leak", "web") as fitting:
        fifo = fitting.fifos["web"]
        assert S_ISFIFO(fifo.stat().st_mode)
        process = fitting.loaded.config.components[0].process

    assert not fifo.exists()
    assert process is not None
    assert process.exec[0] == sys.executable
    assert process.exec[-8:] == ("--", *CONFIG_COMMAND)


CONFIG_COMMAND = ("serve", "--port", "8001", "--db", "127.0.0.1:8002", "--id", "18001")


def test_a_signal_needs_nothing(tmp_path: Path) -> None:
    config = loaded(tmp_path)

    with fit(config, "crash", "web") as fitting:
        assert fitting.loaded.config == config.config


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            ', env = { PORT = "8002" }',
            "",
            "its port 8002 is neither in its command nor in its `env`",
        ),
        ("localhost:8002", "10.0.0.1:8002", "is called at 10.0.0.1, which is not this machine"),
        ("localhost:8002", "db.example:8002", "is called at db.example, which is not this machine"),
        ('process = { exec = ["store"], env = { PORT = "8002" } }', "", "is not run by mendel"),
        ('probes = [{ tcp = "localhost:8002" }]', "", "has no http or tcp probe"),
    ],
)
def test_what_cannot_be_broken_is_said(tmp_path: Path, old: str, new: str, words: str) -> None:
    config = loaded(tmp_path, CONFIG.replace(old, new))

    with pytest.raises(ConfigError, match=words), fit(config, "reset", "db"):
        pass


def test_a_leak_that_nobody_would_see_is_refused(tmp_path: Path) -> None:
    config = loaded(tmp_path).config

    assert leak_bytes(config, "web") == 75_000_000
    with pytest.raises(ConfigError, match="nobody would see a leak of 'db'"):
        leak_bytes(config, "db")


def test_a_leak_that_the_machine_cannot_bear_is_refused(tmp_path: Path) -> None:
    config = loaded(tmp_path, CONFIG.replace('"50MB"', '"900GB"')).config

    with pytest.raises(EnvironmentProblem, match="more than 25% of the memory that is left"):
        leak_bytes(config, "web")


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = loaded(tmp_path, CONFIG.replace("8002", str(port)))
        refused = pytest.raises(EnvironmentProblem, match="stop what runs there first")
        with fit(config, "reset", "db") as fitting, refused:
            async with proxies(fitting, 1):
                pass
