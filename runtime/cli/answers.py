"""What every command writes with ``--output json``, as types; programs get them as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .output import Done

# They tell people what they do, draw on a terminal, or write a file.
WITHOUT_DATA = ("genome export", "run", "top")


class Path(Struct, frozen=True):
    """A file that was written."""

    path: str


class Token(Struct, frozen=True):
    """What allows changes over HTTP."""

    token: str


class Text(Struct, frozen=True):
    """A text in a form of its own, such as YAML."""

    text: str


class Script(Struct, frozen=True):
    """What a shell runs to complete commands."""

    script: str


class ConfigDiff(Struct, frozen=True):
    """What is different between two versions of a configuration, as a unified diff."""

    old: int
    new: int
    lines: list[str]


def answers() -> Mapping[str, Sequence[Any]]:
    """Types of the documents that each command may write, by the words it is called with."""
    return {
        **_of_running_systems(),
        **_of_the_past(),
        **_of_evolution(),
        **_of_trials(),
        "completion": (Script, Done),
        "schema config": (dict,),
        "schema event": (dict,),
        "schema openapi": (dict,),
        "schema asyncapi": (dict,),
        "schema answer": (dict,),
        "telemetry alerts": (Text,),
        "telemetry dashboard": (dict,),
        "web token": (Token,),
    }


def _of_running_systems() -> Mapping[str, Sequence[Any]]:
    from ..agent_check import Report
    from ..doctor import Finding
    from ..provenance import Effective
    from ..survey import Survey
    from ..telemetry.success import Success
    from ..translation import Translation
    from ..usage import ResourcesView
    from ..views import AgentView, EventView, ReloadView, SystemView
    from .check import CheckedView
    from .config import VersionView
    from .level import LevelLine
    from .web import Page

    return {
        "agents list": (list[AgentView],),
        "agents new": (list[str],),
        "agents test": (list[Report],),
        "approve": (Done,),
        "check": (CheckedView, list[Effective], list[Translation]),
        "config history": (list[VersionView],),
        "config diff": (ConfigDiff,),
        "config rollback": (ReloadView,),
        "deployed": (Done,),
        "doctor": (list[Finding],),
        "events": (EventView,),  # One a line.
        "init": (Survey,),
        "level": (list[LevelLine], Done),
        "pause": (Done,),
        "reload": (ReloadView,),
        "resume": (Done,),
        "status": (SystemView, Success, ResourcesView),
        "stop": (Done,),
        "web link": (Page,),
    }


def _of_the_past() -> Mapping[str, Sequence[Any]]:
    from ..explain import Explanation
    from ..store.archive import ConfigVersion, IncidentHistory
    from ..store.audit import Verified
    from ..views import AuditLine, IncidentView

    return {
        "audit": (list[AuditLine],),
        "audit verify": (Verified,),
        "config show": (ConfigVersion,),
        "incidents list": (list[IncidentView],),
        "incidents show": (IncidentHistory,),
        "incidents explain": (Explanation,),
        "incidents verify": (Verified,),
    }


def _of_evolution() -> Mapping[str, Sequence[Any]]:
    from ..lineage import FrontView, GenomeView
    from ..views import SteeredView
    from .evolve import EvolvedView

    steered = (SteeredView,)
    return {
        "genome list": (list[GenomeView],),
        "genome show": (GenomeView,),
        "genome diff": (dict[str, tuple[Any, Any]],),
        "genome front": (FrontView,),
        "genome promote": steered,
        "genome rollback": steered,
        "genome approve": steered,
        "genome freeze": steered,
        "genome import": steered,
        "genome evolve": (EvolvedView, *steered),
    }


def _of_trials() -> Mapping[str, Sequence[Any]]:
    from ...scenarios.format import Scenario
    from ...scenarios.importers import Imported
    from ...scenarios.recording.summary import Summary
    from ..demo.score import Score
    from ..drill.verdict import Result
    from ..rerun import Rerun
    from .replay import ScenarioLine

    return {
        "demo": (Score,),
        "drill": (Result,),
        "record info": (Summary,),
        "record import": (Imported,),
        "replay": (list[Rerun],),
        "scenarios list": (list[ScenarioLine],),
        "scenarios show": (Scenario,),
        "scenarios new": (Path,),
    }
