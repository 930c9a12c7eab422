"""Commands about a running system."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter, Token

from ...core.units import format_duration, format_value, parse_quantity
from ..client import ControlClient
from ..usage import AgentUsage, ComponentUsage, ResourcesView
from ..views import (
    AgentView,
    ComponentView,
    EventView,
    SystemView,
)
from .history import show_success
from .output import PLAIN, Done, Out, Printer
from .place import SOCKET_NAME, Place, state_folder


def _duration(_: Any, tokens: tuple[Token, ...]) -> float:
    seconds = parse_quantity(tokens[0].value, "s")
    if seconds <= 0:
        raise ValueError("it has a length, such as 10m or 7d")
    return seconds


def _runtime(place: Place) -> ControlClient:
    return ControlClient(state_folder(place) / SOCKET_NAME)


def status(
    *,
    since: Annotated[float | None, Parameter(converter=_duration)] = None,
    resources: bool = False,
    state: Place = None,
    out: Printer,
) -> int:
    """Show how a running system and its components are.

    Returns 1 when a component is sick.

    Args:
        since: show how well healing went over so long instead, such as 7d; mendel need not run.
        resources: show what mendel itself uses instead, and what it does without.
    """
    if since is not None:
        show_success(state, since, out)
        return 0
    with _runtime(state) as runtime:
        if resources:
            _show_resources(runtime.ask("resources", ResourcesView), out)
            return 0
        view = runtime.ask("status", SystemView)
    if out.is_text:
        _show_status(view, out)
    else:
        out.show(view)
    return 1 if any(each.status == "sick" for each in view.components) else 0


def _show_status(view: SystemView, out: Out) -> None:
    up = format_duration(view.uptime_s)
    out.line(f"mendel {view.version} (pid {view.pid}), up {up}, mode {view.mode}, {view.config}")
    out.line()
    header = ("  COMPONENT", "KIND", "STATUS", "FOR", "CIRCUIT", "INCIDENT", "WHY")
    out.table(header, [_component(each, view.mode) for each in view.components])
    if view.approvals:
        out.line()
        out.line("waiting for a person:")
        for each in view.approvals:
            out.line(f"  {each.action} on {each.target}: {each.reason}")
            out.line(f"    say yes with: mendel approve {each.approval}")
    outlook = [each.words for each in view.reliefs] + [view.forecasts.words]
    if any(outlook):
        out.line()
    for line in filter(None, outlook):
        out.line(line)
    for warning in view.warnings:
        out.note(f"warning: {warning}")


def _show_resources(view: ResourcesView, out: Out) -> None:
    if not out.is_text:
        out.show(view)
        return
    names = ("cpu_share", "memory_bytes", "tasks", "lag_s", "mailbox_age_s")
    rows = []
    for name in names:
        limit = view.limits.get(name)
        shown = format_value(name, limit) if limit is not None else ""
        rows.append((name, format_value(name, getattr(view, name)), shown))
    out.table(("OF MENDEL", "USED", "LIMIT"), rows)
    out.line()
    out.line(f"step {view.step}: {_without(view)}")
    for reason in view.reasons:
        out.line(f"  {reason}")
    out.line()
    agents = [(*_portion(each), str(each.depth), *_excess(each)) for each in view.agents]
    header = ("CPU", "CPU SO FAR", "TASKS", "MEMORY")
    out.table(("AGENT", *header, "WAITING", "EXCEEDED", "STEP"), agents)
    out.line(_limits("each agent", view.agent_limits))
    out.line()
    components = [
        (*_portion(each), str(each.looks), str(each.actions), *_excess(each))
        for each in view.components
    ]
    out.table(("COMPONENT", *header, "LOOKS", "ACTIONS", "EXCEEDED", "STEP"), components)
    out.line(_limits("each component", view.component_limits))


def _without(view: ResourcesView) -> str:
    if not view.step:
        return "nothing is done without"
    told = ["evolution is paused"]
    if view.stretch > 1.0:
        told.append(f"healthy components are looked at {view.stretch:g} times less often")
    if view.ceiling != "full":
        told.append(f"no level above {view.ceiling} is carried out")
    return ", ".join(told)


def _portion(view: AgentUsage | ComponentUsage) -> tuple[str, ...]:
    spent = format_duration(view.cpu_s)
    size = format_value("memory_bytes", view.memory_bytes) if view.memory_bytes else "?"
    return (view.name, f"{view.cpu_share:.1%}", spent, str(view.tasks), size)


def _excess(view: AgentUsage | ComponentUsage) -> tuple[str, str]:
    return (str(view.excesses), str(view.step))


def _limits(whose: str, limits: Mapping[str, float]) -> str:
    told = [f"{name} {format_value(name, limit)}" for name, limit in limits.items()]
    return f"limits of {whose}: {', '.join(told) or 'none'}"


def _component(view: ComponentView, mode: str) -> tuple[str, ...]:
    notes = [view.reason] if view.reason else []
    if view.paused_s > 0:
        notes.append(f"paused for {format_duration(view.paused_s)} more")
    if view.mode != mode:
        notes.append(f"mode {view.mode}")
    incident = f"{view.incident} {view.stage}".strip()
    lasting = format_duration(view.for_s)
    return (view.name, view.kind, view.status, lasting, view.circuit, incident, "; ".join(notes))


def events(
    *,
    follow: Annotated[bool, Parameter(alias="-f")] = False,
    pattern: str = ">",
    last: Annotated[int, Parameter(alias="-n")] = 20,
    every: bool = False,
    state: Place = None,
    out: Printer,
) -> None:
    """Show what has happened in a running system, and with -f what happens.

    Args:
        follow: go on until interrupted.
        pattern: only subjects that match, such as `*.*.cart` or `incident.>`.
        last: begin with so many past events, at most 1000.
        every: also those that only matter to agents.
    """
    with _runtime(state) as runtime:
        for event in runtime.events(pattern=pattern, limit=last, follow=follow):
            if not out.is_text:
                # A stream has no end that a document could have.
                Out("jsonl").show(event)
            elif event.text or every:
                out.line(_event(event, out))


def _event(event: EventView, out: Out) -> str:
    local = time.strftime("%H:%M:%S", time.localtime(event.utc))
    moment = out.paint(f"{local}.{int(event.utc % 1 * 1000):03d}", "dim")
    fields = " ".join(f"{key}={value}" for key, value in event.message.items())
    return f"{moment}  {event.text or f'{event.type} {fields}'}"


def pause(
    component: str,
    /,
    *,
    for_s: Annotated[float, Parameter(name="--for", converter=_duration)],
    reason: str = "",
    state: Place = None,
    out: Printer,
) -> None:
    """Keep hands off a component for a while.

    Args:
        component: its name, or `*` for all of them.
        for_s: how long, such as 10m.
        reason: why; it is kept with the record.
    """
    with _runtime(state) as runtime:
        runtime.wish("pause", target=component, for_s=for_s, reason=reason)
    _tell(out, f"{component} is paused for {format_duration(for_s)}")


def deployed(
    component: str,
    /,
    *,
    version: str,
    age_s: Annotated[float, Parameter(name="--ago", converter=_duration)] = 0.0,
    state: Place = None,
    out: Printer,
) -> None:
    """Tell that a new version of a component was deployed.

    Trouble that begins with a deployment is first put down to it, and a roll back is tried before a
    restart.

    Args:
        component: its name.
        version: the version that runs now.
        age_s: how long ago that was, such as 2m; left out, it has just happened.
    """
    with _runtime(state) as runtime:
        runtime.wish("annotate", target=component, version=version, age_s=age_s)
    _tell(out, f"{component} runs {version}")


def resume(component: str, /, *, reason: str = "", state: Place = None, out: Printer) -> None:
    """End a pause, and take up again what was handed to a person.

    Args:
        component: its name, or `*` for all of them.
        reason: why; it is kept with the record.
    """
    with _runtime(state) as runtime:
        runtime.wish("resume", target=component, reason=reason)
    _tell(out, f"{component} is resumed")


def approve(approval: str, /, *, reason: str = "", state: Place = None, out: Printer) -> None:
    """Let an action run that waits for it.

    Args:
        approval: its identifier, as `mendel status` shows it.
        reason: why; it is kept with the record.
    """
    with _runtime(state) as runtime:
        runtime.wish("approve", approval=approval, reason=reason)
    _tell(out, f"{approval} is approved")


def stop(*, state: Place = None, out: Printer) -> None:
    """Stop a running system; managed processes end with it unless they are detached."""
    with _runtime(state) as runtime:
        runtime.wish("stop")
    _tell(out, "mendel is stopping")


agents = App(
    name="agents",
    help="Look at the agents of a running system, and write and test your own.",
    default_parameter=PLAIN,
)


@agents.command(name="list")
def list_agents(*, state: Place = None, out: Printer) -> None:
    """Show every agent: state, mailbox, restarts, last error."""
    with _runtime(state) as runtime:
        views = runtime.ask("agents", list[AgentView])
    if not out.is_text:
        out.show(views)
        return
    header = (
        "AGENT",
        "KIND",
        "STATE",
        "RESTARTS",
        "WAITING",
        "HANDLED",
        "DROPPED",
        "CPU",
        "LAST ERROR",
    )
    out.table(header, [_agent(each) for each in views])


def _agent(view: AgentView) -> tuple[str, ...]:
    waiting = f"{view.depth} ({format_duration(view.age_s)})" if view.depth else "0"
    counts = (str(view.restarts), waiting, str(view.handled), str(view.dropped))
    return (view.name, view.kind, view.state, *counts, format_duration(view.cpu_s), view.error)


def _tell(out: Out, done: str) -> None:
    if out.is_text:
        out.line(done)
    else:
        out.show(Done(done))
