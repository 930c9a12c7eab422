"""Circuits that stay open over a restart, when that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mendel import CallNotPermitted, guard, guards
from mendel.agents.guards.registry import forget
from mendel.core.circuits.circuit import CircuitConfig
from mendel.runtime.config import load
from mendel.runtime.launch import launch

CONFIG = """
[runtime]
keep_circuits = true

[[components]]
name = "db"
kind = "external"
mode = "observe"
probes = [{ heartbeat = "60s" }]
guard = { circuit = { minimum_calls = 2, window_calls = 2, open = "60s" } }
"""


@pytest.fixture(autouse=True)
def no_guards() -> Iterator[None]:
    yield
    for target in list(guards()):
        forget(target)


def a_config(folder: Path, text: str = CONFIG) -> Path:
    file = folder / "mendel.toml"
    file.write_text(text)
    return file


def fail(target: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError), guard(target):
            raise ConnectionError("refused")


async def test_a_guard_has_the_settings_of_the_configuration(tmp_path: Path) -> None:
    async with launch(load(a_config(tmp_path), environ={})):
        expected = CircuitConfig(minimum_calls=2, window_calls=2, open_s=60.0)
        assert guards()["db"].circuit.config == expected


async def test_an_open_circuit_is_open_in_the_next_run(tmp_path: Path) -> None:
    loaded = load(a_config(tmp_path), environ={})
    async with launch(loaded):
        fail("db", 2)
        assert guard("db").state == "open"
    forget("db")  # As in a new process.

    async with launch(loaded):
        assert guard("db").state == "open"
        with pytest.raises(CallNotPermitted), guard("db"):
            pass


async def test_without_being_asked_it_starts_closed(tmp_path: Path) -> None:
    loaded = load(a_config(tmp_path), environ={}, settings=["runtime.keep_circuits=false"])
    async with launch(loaded):
        fail("db", 2)
    forget("db")

    async with launch(loaded):
        assert guard("db").state == "closed"
    assert not (tmp_path / ".mendel" / "circuits.json").exists()


async def test_a_guard_that_is_made_later_is_restored_then(tmp_path: Path) -> None:
    text = CONFIG.replace("guard =", "# guard =")
    settings = CircuitConfig(minimum_calls=2, window_calls=2, open_s=60.0)
    loaded = load(a_config(tmp_path, text), environ={})
    async with launch(loaded):
        guard("db", circuit=settings)
        fail("db", 2)
    forget("db")

    async with launch(loaded):
        assert guard("db", circuit=settings).state == "open"


async def test_a_file_that_cannot_be_read_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load(a_config(tmp_path), environ={})
    (tmp_path / ".mendel").mkdir()
    (tmp_path / ".mendel" / "circuits.json").write_text("{")

    async with launch(loaded):
        assert guard("db").state == "closed"

    assert "cannot restore circuits" in caplog.text


async def test_a_guard_that_the_program_made_of_other_parts_keeps_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guard("db", timeout_s=2.0)
    text = CONFIG + "\n"
    async with launch(load(a_config(tmp_path, text), environ={})):
        assert guard("db").state == "closed"

    assert "guard of db" in caplog.text
