from __future__ import annotations

import io
from pathlib import Path

import pytest
from mendel.runtime.cli import main
from mendel.runtime.cli.top import picture
from mendel.runtime.views import (
    AgentView,
    ApprovalView,
    ComponentView,
    EventView,
    SystemView,
)
from rich.console import Console


def a_system(*components: ComponentView, approvals: tuple[ApprovalView, ...] = ()) -> SystemView:
    return SystemView(
        pid=1,
        version="1",
        config="mendel.toml",
        mode="act",
        status="sick",
        uptime_s=90.0,
        components=components,
        approvals=approvals,
    )


def shown(system: SystemView, *, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    agents = [AgentView(name="monitor", kind="m:M", state="running", age_s=0.25)]
    event = EventView(id=1, utc=0.0, subject="a.b", type="T", message={}, text="db: [is] sick")
    console.print(picture(system, agents, [event], height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_sickest_stand_first_and_everything_is_on_it() -> None:
    approval = ApprovalView(
        approval="1-1.1.restart", target="db", action="restart", incident="1-1", reason="asked"
    )
    system = a_system(
        ComponentView(name="web", kind="ui", status="healthy", reason="all [well]"),
        ComponentView(name="db", kind="database", status="sick", incident="1-1", stage="triage"),
        approvals=(approval,),
    )

    lines = shown(system)

    assert "1 sick, 1 healthy" in lines[0]
    assert "oldest message 250ms (monitor)" in lines[0]
    assert [line.split()[0] for line in lines[2:5]] == ["COMPONENT", "db", "web"]
    assert "all [well]" in lines[4]
    assert any("mendel approve 1-1.1.restart" in line for line in lines)
    assert lines[-1].endswith("db: [is] sick")


def test_a_thousand_components_fit_into_a_small_terminal() -> None:
    many = [ComponentView(name=f"c{n}", kind="api", status="healthy") for n in range(1000)]

    lines = shown(a_system(*many), height=24)

    assert len(lines) <= 24
    assert any(line.startswith("... 98") and "more" in line for line in lines)


def test_who_has_no_terminal_is_told_what_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--state", str(tmp_path)]) == 4
    assert "mendel status --output json" in capsys.readouterr().err
