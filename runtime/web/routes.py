"""What can be asked over HTTP, as a table: the same verbs that the control socket answers.

Server, description (OpenAPI) and documentation are made from it, so none of them can know of a
route that another does not know of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from ..leases import Lease
from ..lineage import LineageView
from ..replays import ReplayView, ScenarioView
from ..telemetry.success import Success
from ..verbs import VERBS
from ..views import (
    AgentView,
    AuditView,
    ComponentDetail,
    IncidentDetail,
    IncidentView,
    ReloadView,
    SteeredView,
    SystemView,
)

VERSION = "v1"


class Route(Struct, frozen=True, kw_only=True):
    """One question or wish.

    Attributes:
        method: ``GET`` asks and changes nothing; ``POST`` wishes.
        path: below the version; ``{name}`` stands for an argument of the verb.
        verb: the method of `mendel.runtime.verbs.Controls` that answers.
        answer: type of the answer; ``None`` for none.
        summary: what it is for, in one line.
        guarded: whether it needs the token; a wish does.
    """

    method: Literal["GET", "POST"]
    path: str
    verb: str
    answer: Any
    summary: str

    @property
    def arguments(self) -> type[Struct]:
        """Type of what is asked with it; the names in the path are fields of it."""
        return VERBS[self.verb]

    @property
    def in_path(self) -> tuple[str, ...]:
        """Arguments that stand in the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def url(self) -> str:
        """The whole path."""
        return f"/{VERSION}{self.path}"


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/status",
        verb="status",
        answer=SystemView,
        summary="How the runtime and its components are",
    ),
    Route(
        method="GET",
        path="/components/{target}",
        verb="component",
        answer=ComponentDetail,
        summary="One component with its newest signals",
    ),
    Route(
        method="GET",
        path="/agents",
        verb="agents",
        answer=list[AgentView],
        summary="How the agents are",
    ),
    Route(
        method="GET",
        path="/incidents",
        verb="incidents",
        answer=list[IncidentView],
        summary="The newest incidents, newest first",
    ),
    Route(
        method="GET",
        path="/incidents/{incident}",
        verb="incident",
        answer=IncidentDetail,
        summary="One incident: its story in words, its signals, what was done",
    ),
    Route(
        method="GET",
        path="/genomes",
        verb="genomes",
        answer=LineageView,
        summary="What was bred, what is in force, and what the newest search has found",
    ),
    Route(
        method="POST",
        path="/genomes/steer",
        verb="evolution",
        answer=SteeredView,
        summary="Breed, promote, roll back, approve, freeze, thaw or import",
    ),
    Route(
        method="POST",
        path="/components/{target}/level",
        verb="change_level",
        answer=None,
        summary="Heal a component on another level from now on",
    ),
    Route(
        method="POST",
        path="/components/{target}/deployed",
        verb="annotate",
        answer=None,
        summary="Tell that a new version of a component was deployed",
    ),
    Route(
        method="POST",
        path="/config/reload",
        verb="reload",
        answer=ReloadView,
        summary="Put into force what the configuration file says now",
    ),
    Route(
        method="GET",
        path="/scenarios",
        verb="scenarios",
        answer=list[ScenarioView],
        summary="The scenarios that ship",
    ),
    Route(
        method="GET",
        path="/replays",
        verb="replays",
        answer=list[ReplayView],
        summary="The newest replays that were asked for, with what came of them",
    ),
    Route(
        method="POST",
        path="/replays",
        verb="replay",
        answer=ReplayView,
        summary="Replay a scenario on several levels side by side",
    ),
    Route(
        method="GET",
        path="/success",
        verb="success",
        answer=Success,
        summary="How well healing went over a period",
    ),
    Route(
        method="GET",
        path="/audit",
        verb="audit",
        answer=AuditView,
        summary="Who did what, newest first, and whether the trail is whole",
    ),
    Route(
        method="POST",
        path="/readings",
        verb="heartbeat",
        answer=None,
        summary="A component reports itself",
    ),
    Route(
        method="POST",
        path="/guard/{target}/acquire",
        verb="acquire",
        answer=Lease,
        summary="Ask whether a call to a target may be made",
    ),
    Route(
        method="POST",
        path="/guard/release",
        verb="release",
        answer=None,
        summary="Tell how such a call went",
    ),
    Route(
        method="POST",
        path="/components/{target}/pause",
        verb="pause",
        answer=None,
        summary="Keep hands off a component, or off everything (`*`), for a while",
    ),
    Route(
        method="POST",
        path="/components/{target}/resume",
        verb="resume",
        answer=None,
        summary="End a pause, and take up again what was handed to a person",
    ),
    Route(
        method="POST",
        path="/approvals/{approval}",
        verb="approve",
        answer=None,
        summary="Let an action run that waits for a person",
    ),
)

# Streams of server-sent events; the server answers them by itself.
EVENTS = f"/{VERSION}/events"
STREAM = f"/{VERSION}/stream"
DESCRIPTION = f"/{VERSION}/openapi.json"
METRICS = "/metrics"
REPORT = f"/{VERSION}/replays/{{replay}}/report"

TITLES: Mapping[int, str] = {
    400: "not understood",
    404: "not found",
    409: "not possible",
    503: "not now",
}
