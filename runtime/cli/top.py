"""The whole runtime on one screen, for those who have a terminal and no browser."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...core.units import format_duration
from ...errors import EnvironmentProblem
from ..client import ControlClient
from ..views import AgentView, ComponentView, EventView, SystemView
from .output import MARKS, Printer
from .place import SOCKET_NAME, Place, state_folder

if TYPE_CHECKING:
    from rich.console import RenderableType

_EVENTS = 200
_WORST = ("sick", "suspect", "unknown", "healthy")


def top(
    *,
    every_s: Annotated[float, Parameter(name="--every")] = 1.0,
    state: Place = None,
    out: Printer,
) -> int:
    """Watch a running system on one screen, the sickest first; Ctrl-C ends it.

    Args:
        every_s: seconds between two looks, at least 0.2.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not out.is_text or not console.is_terminal:
        raise EnvironmentProblem(
            "mendel top needs a terminal", "programs ask: mendel status --output json"
        )
    with (
        ControlClient(state_folder(state) / SOCKET_NAME) as runtime,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(picture(*look(runtime), console.size.height), refresh=True)
            time.sleep(max(0.2, every_s))


def look(runtime: ControlClient) -> tuple[SystemView, list[AgentView], list[EventView]]:
    """Everything that one screen shows."""
    system = runtime.ask("status", SystemView)
    agents = runtime.ask("agents", list[AgentView])
    recent = deque(runtime.events(pattern=">", limit=_EVENTS, follow=False), maxlen=_EVENTS)
    return system, agents, [each for each in recent if each.text]


def picture(
    system: SystemView, agents: list[AgentView], events: list[EventView], height: int
) -> RenderableType:
    """One screen.

    Args:
        system: how everything is.
        agents: how the agents are.
        events: the newest events, oldest first.
        height: lines that there are.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    told = min(8, max(3, height // 5))
    room = max(3, height - told - 9)
    ranked = sorted(system.components, key=lambda each: _WORST.index(each.status))
    components = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    for name in ("COMPONENT", "STATUS", "FOR", "LEVEL", "CIRCUIT", "INCIDENT", "WHY"):
        components.add_column(name, no_wrap=True, ratio=3 if name == "WHY" else None)
    for each in ranked[:room]:
        components.add_row(*_row(each))
    if len(ranked) > room:
        components.add_row(f"... {len(ranked) - room} more", style="dim")
    waiting = max(agents, key=lambda each: each.age_s, default=None)
    lag = f"oldest message {format_duration(waiting.age_s)} ({waiting.name})" if waiting else ""
    head = Text.assemble(
        ("mendel ", "bold"),
        f"{system.version}  up {format_duration(system.uptime_s)}  mode {system.mode}  ",
        (f"{_count(system)}  ", "bold"),
        (f"{lag}  {system.url}", "dim"),
    )
    asked = [
        Text(f"{each.action} on {each.target} waits for: mendel approve {each.approval}", "yellow")
        for each in system.approvals[:3]
    ]
    lines = [
        Text(f"{time.strftime('%H:%M:%S', time.localtime(each.utc))}  {each.text}", no_wrap=True)
        for each in events[-told:]
    ]
    return Group(head, Text(), components, Text(), *asked, *lines)


def _row(view: ComponentView) -> tuple[str, ...]:
    mark, colour = MARKS[view.status]
    pause = f"paused {format_duration(view.paused_s)}; " if view.paused_s > 0 else ""
    return (
        view.name,
        f"[{colour}]{mark} {view.status}[/]",
        format_duration(view.for_s),
        view.level,
        view.circuit,
        f"{view.incident} {view.stage}".strip(),
        f"{pause}{view.reason}".replace("[", "\\["),
    )


def _count(system: SystemView) -> str:
    counts = {status: sum(each.status == status for each in system.components) for status in _WORST}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)
