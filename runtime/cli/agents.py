"""Commands about agents: those that run, and those that users write."""

from __future__ import annotations

import logging
from pathlib import Path

from ...errors import ConfigError
from .live import agents as agents  # Those that run are shown there.
from .output import Out, Printer


@agents.command(name="new")
def new_agent(name: str, /, *, into: Path = Path(), out: Printer) -> None:
    """Write a package with an agent of your own: its config, its tests, and how it is found.

    Args:
        name: of the agent, such as drain-first; the folder and the package are called after it.
        into: folder that the package is put into.
    """
    from ..new_agent import write_package

    folder, files = write_package(name, into)
    if not out.is_text:
        out.show([str(each) for each in files])
        return
    for each in files:
        out.line(str(each))
    out.note(f"try it:  cd {folder} && pip install -e '.[test]' && pytest")


@agents.command(name="test")
def check_agent(target: str = "", /, *, out: Printer) -> int:
    """Put agents through the contract that all of them keep, and say what is broken.

    Returns 1 when a rule is broken.

    Args:
        target: package.module:Class; by default all agents that installed packages bring.
    """
    from ..agent_check import check_agents

    # What a crash leaves in the log is told here, with the rule that it breaks.
    logging.getLogger("mendel").addHandler(logging.NullHandler())
    reports = check_agents(target)
    if not reports:
        raise ConfigError(
            "no installed package brings an agent; name one as package.module:Class, or write one "
            "with `mendel agents new NAME`"
        )
    if out.is_text:
        for report in reports:
            _tell(report.name, report.place, out)
            for each in report.verdicts:
                mark, colour = ("kept", "green") if each.kept else ("broken", "red")
                out.line(f"  {out.paint(mark.ljust(6), colour)}  {each.rule}")
                if each.detail:
                    out.line(f"          {each.detail}")
    else:
        out.show(reports)
    return 0 if all(report.kept for report in reports) else 1


def _tell(name: str, place: str, out: Out) -> None:
    out.line(f"{name} ({place})")
