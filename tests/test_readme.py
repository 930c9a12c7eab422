"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from mendel import Advice, RecoveryProposed, load
from mendel.agents import load_agents
from mendel.scenarios.rehearsal import Rehearsal

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(language: str, first_line: str) -> str:
    """The block of code that begins with a comment that names its file."""
    (found,) = re.findall(rf"```{language}\n({re.escape(first_line)}\n.*?)```", README, re.DOTALL)
    return str(found)


def a_proposal(*, attempt: int, action: str = "restart") -> RecoveryProposed:
    return RecoveryProposed(
        target="db", incident="1-1", action=action, attempt=attempt, deadline_s=10.0
    )


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "mendel.toml"
    file.write_text(block("toml", "# mendel.toml"))

    components = load(file, environ={}).config.components

    assert [(each.name, each.depends_on) for each in components] == [("db", ()), ("shop", ("db",))]
    assert components[1].actions["restart"].settle_s == 5.0


async def test_the_agent_loads_and_advises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mendel_system: Rehearsal
) -> None:
    (tmp_path / "snapshots.py").write_text(block("python", "# snapshots.py"))
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_agents(["snapshots:SnapshotFirst"])
    sys.modules.pop("snapshots")

    (agent,) = [each for each in loaded.agents if each.name == "snapshot-first"]
    await mendel_system.add(agent.agent_class)

    assert loaded.problems == ()
    assert await mendel_system.ask_all(a_proposal(attempt=1)) == [Advice(before=("snapshot",))]
    assert await mendel_system.ask_all(a_proposal(attempt=2)) == []
    assert await mendel_system.ask_all(a_proposal(attempt=1, action="fail_over")) == []


def test_every_page_that_it_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [link for link in links if not (Path(__file__).parent.parent / link).exists()] == []
