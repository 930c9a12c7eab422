from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mendel.runtime.doctor import Finding, examine


def write(folder: Path, text: str) -> Path:
    path = folder / "mendel.toml"
    path.write_text(text)
    return path


def found(name: str, findings: list[Finding]) -> Finding:
    [finding] = [each for each in findings if each.name == name]
    return finding


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_configuration_that_fits_the_machine_is_fine(tmp_path: Path, open_port: int) -> None:
    program = tmp_path / "serve"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    config = write(
        tmp_path,
        f"""
        [[components]]
        name = "a"
        process = {{ exec = ["./serve"], cwd = "." }}
        probes = [
          {{ http = "http://127.0.0.1:{open_port}/" }},
          {{ tcp = "127.0.0.1:{open_port}" }},
          {{ exec = ["true"] }},
        ]
        actions = {{ r = {{ exec = ["true"], check = ["true"] }} }}
        """,
    )

    findings = examine(config, state=tmp_path / "state")

    assert [(each.name, each.verdict) for each in findings] == [
        ("Python", "ok"),
        ("packages", "ok"),
        ("configuration", "ok"),
        ("state folder", "ok"),
        ("control socket", "ok"),
        ("disk", "ok"),
        ("open files", "ok"),
        ("commands", "ok"),
        ("addresses", "ok"),
    ]
    assert found("commands", findings).found == "all 4 are there"


def test_commands_that_are_missing_are_named_with_their_owner(tmp_path: Path) -> None:
    config = write(tmp_path, '[[components]]\nname = "a"\nprocess = { exec = ["./no"] }\n')

    assert found("commands", examine(config)) == Finding(
        name="commands",
        verdict="fail",
        found="not found: ./no (of a)",
        remedy="install them, or give their whole path",
    )


def test_an_address_that_nobody_answers_at_is_a_warning(tmp_path: Path, closed_port: int) -> None:
    config = write(
        tmp_path, f'[[components]]\nname = "a"\nprobes = [{{ tcp = "127.0.0.1:{closed_port}" }}]\n'
    )

    finding = found("addresses", examine(config))

    assert finding.verdict == "warn"
    assert finding.found == f"no connection to 127.0.0.1:{closed_port} (connection refused)"


def test_a_configuration_with_mistakes_does_not_hide_the_machine(tmp_path: Path) -> None:
    findings = examine(write(tmp_path, "x = 1\n"))

    finding = found("configuration", findings)
    assert (finding.verdict, finding.remedy) == ("fail", f"mendel check {tmp_path}/mendel.toml")
    assert found("disk", findings).verdict == "ok"


def test_a_folder_that_cannot_be_written_is_told() -> None:
    # /proc is the one place where nobody, root included, can make a file.
    finding = found("state folder", examine(state=Path("/proc/self")))

    assert finding.verdict == "fail"
    assert finding.found.startswith("cannot write in /proc/self: ")


def test_a_socket_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    length = len(os.fsencode(folder / "control.sock"))

    finding = found("control socket", examine(state=folder))

    assert finding.verdict == "fail"
    assert finding.found == f"its path has {length} bytes, 107 are possible"


def test_too_few_files_at_once_are_told_with_the_limit_that_would_do(tmp_path: Path) -> None:
    components = "".join(f'[[components]]\nname = "c{number}"\n' for number in range(100))
    config = write(tmp_path, components)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    try:
        finding = found("open files", examine(config))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert finding == Finding(
        name="open files",
        verdict="warn",
        found="limit 500, about 664 are needed for 100 components",
        remedy="ulimit -n 664, or LimitNOFILE=664 in a systemd unit",
    )
