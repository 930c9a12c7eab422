"""The demo in the terminal: the services, what befalls them and what is done about it.

On a terminal a picture that is redrawn in place, elsewhere a line for each event on standard error.
`rich` is imported only where there is a picture or a table to draw.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from ...bus.messages import (
    AgentCrashed,
    AnomalyDetected,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    Message,
    Status,
)
from ..words import in_words
from .chronicle import Chronicle
from .score import Score
from .traffic import Traffic

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

EVENT_LINES = 12
REPAINTS_PER_S = 4.0
# A glyph besides the colour, for those who do not see it and for terminals that have none.
_LOOKS = {
    Status.HEALTHY: ("●", "green"),
    Status.SUSPECT: ("◐", "yellow"),
    Status.SICK: ("✖", "red"),
    Status.UNKNOWN: ("?", "bright_black"),
}
# Each service below the one that calls it, in the order of the estate.
_BRANCHES = {
    "cart": "└─ cart",
    "db": "   ├─ db",
    "payment": "   ├─ payment",
    "catalog": "   └─ catalog",
}


class Show(Protocol):
    """Where the course of the demo is told; used as ``with show:``."""

    def tell(self, line: str) -> None:
        """Show what the demo itself does."""

    def hear(self, message: Message) -> None:
        """Show what the bus says."""

    def __enter__(self) -> Show: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Lines:
    """One line for each event, with the seconds since the start in front.

    Args:
        clock: the time in seconds, on any base.
        stream: where they go.
    """

    def __init__(self, clock: Callable[[], float], stream: TextIO = sys.stderr) -> None:
        self._clock = clock
        self._start_s = clock()
        self._stream = stream

    def tell(self, line: str) -> None:
        """Write what the demo itself does."""
        self._stream.write(f"{self._clock() - self._start_s:6.1f} s  {line}\n")
        self._stream.flush()

    def hear(self, message: Message) -> None:
        """Write what the bus says, if people need to read it."""
        line = in_words(message)
        if line:
            self.tell("  " + line)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Picture:
    """The estate, redrawn in place as long as the ``with`` block lasts.

    Args:
        chronicle: what is known of the estate.
        traffic: what its users get.
        clock: the time in seconds, on any base.
        console: where it is drawn.
    """

    def __init__(
        self, chronicle: Chronicle, traffic: Traffic, clock: Callable[[], float], console: Console
    ) -> None:
        from rich.live import Live  # Late: it costs 50 ms that a headless run need not pay.

        self._chronicle = chronicle
        self._traffic = traffic
        self._clock = clock
        self._start_s = clock()
        self._events: deque[tuple[str, str]] = deque(maxlen=EVENT_LINES)
        self._live = Live(
            get_renderable=self.draw,
            console=console,
            refresh_per_second=REPAINTS_PER_S,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def tell(self, line: str) -> None:
        """Add what the demo itself does."""
        self._add(line, "bold")

    def hear(self, message: Message) -> None:
        """Add what the bus says, if it is one of the steps from a fault to its end."""
        style = _style_of(message)
        if style is not None and (line := in_words(message)):
            self._add("  " + line, style)

    def draw(self) -> Group:
        """The picture as it is now."""
        from rich.console import Group
        from rich.text import Text

        blank = ("", "")
        lines = [*self._events, *[blank] * (EVENT_LINES - len(self._events))]
        events = [Text(line, style, no_wrap=True, overflow="ellipsis") for line, style in lines]
        users = self._traffic
        harm = f"{users.degraded} in part, {users.failed} not at all"
        headline = f"  requests of users: {users.served} answered in full, {harm}"
        return Group(self._services(), Text(headline + "\n"), *events)

    def __enter__(self) -> Picture:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _add(self, line: str, style: str) -> None:
        self._events.append((f"{self._clock() - self._start_s:6.1f} s  {line}", style))

    def _services(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            "service", "health", "calls to it", "under way", box=box.SIMPLE_HEAD, expand=True
        )
        for name, status in self._chronicle.statuses.items():
            glyph, colour = _LOOKS[status]
            isolated = name in self._chronicle.isolated
            table.add_row(
                _BRANCHES.get(name, name),
                Text(f"{glyph} {status}", style=colour),
                Text("kept away", style="yellow") if isolated else "pass",
                ", ".join(a for target, a in self._chronicle.running.values() if target == name),
            )
        return table


def _style_of(message: Message) -> str | None:
    match message:
        case AnomalyDetected() | IncidentEscalated() | AgentCrashed():
            return "red"
        case IncidentChanged():
            return "cyan"
        case IncidentClosed():
            return "green"
    return None


def table_of(score: Score) -> Table:
    """The run as a table: one row for each fault, the means below."""
    from rich import box
    from rich.table import Table

    table = Table(
        *("fault", "service", "detected", "acted", "healed", "actions"),
        box=box.SIMPLE_HEAD,
        show_footer=True,
    )
    footers = ("mean", "", _seconds(score.mttd_s), "", _seconds(score.mttr_s), "")
    for column, footer in zip(table.columns, footers, strict=True):
        column.footer = footer
    for each in score.per_fault:
        table.add_row(
            each.kind.replace("_", " "),
            each.target,
            _seconds(each.detection_s),
            _seconds(each.reaction_s),
            _seconds(each.recovery_s),
            ", ".join(each.actions),
        )
    return table


def summary_of(score: Score) -> str:
    """What the table has no column for."""
    availability = score.availability
    answered = "no requests" if availability is None else f"{availability:.1%} answered"
    return (
        f"{score.faults} faults: {score.detected} detected, {score.healed} healed\n"
        f"{score.false_alarms} false alarms, {score.unneeded_actions} unneeded actions\n"
        f"requests of users: {answered}"
    )


def epilogue(score: Score, commands: Sequence[str], console: Console) -> None:
    """Print the table of the run and what to try next."""
    console.print(table_of(score))
    console.print(summary_of(score), highlight=False)
    console.print("\nTry next:", *(f"  {each}" for each in commands), sep="\n", highlight=False)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
