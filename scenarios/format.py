"""Scenario files: what happens to an estate, and what must and must not be done about it.

People write them, in TOML; they are read by the lines that read configurations, so that durations
may have units, and every mistake is shown at once with its line and what would be right.

    name = "db_crashes"
    description = "The database is killed once; its callers look sick and must be left alone."
    source = "The commonest page of all."
    until = "10m"

    [estate]
    topology = "shop"

    [[faults]]
    kind = "crash"
    target = "db"
    at = "2m"

    [must]
    healed = ["db"]
    within = "1m"

    [must_not]
    act_on = ["web", "cart"]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ..core.topology import Kind
from ..documents.document import Document
from ..documents.files import refuse_all, text_of
from ..documents.kinds import did_you_mean
from ..documents.places import Path
from ..documents.reader import read
from ..errors import ConfigError, Problem
from .catalogue import FaultKind

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
Name = Annotated[str, Meta(pattern=rf"^{NAME}$")]
Text = Annotated[str, Meta(min_length=1)]
# A component, one of its replicas (`cart/2`), or an edge as its caller sees it (`web>cart`).
Target = Annotated[str, Meta(pattern=rf"^{NAME}(/{NAME}|>{NAME})?$")]
TargetOrAll = Annotated[str, Meta(pattern=rf"^({NAME}(/{NAME}|>{NAME})?|\*)$")]
Moment = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]


class ComponentSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One component of a written estate.

    Attributes:
        name: of it.
        kind: what sort of thing it is.
        depends_on: what it calls.
        replicas: how many run at first.
        traits: what else the simulator knows of it (``capacity_rate``, ``boot_s``), by its names.
    """

    name: Name
    kind: Kind = "service"
    depends_on: tuple[Name, ...] = ()
    replicas: Annotated[int, Meta(ge=1, le=100)] = 2
    traits: dict[str, float] = {}


Watched = Literal["components", "replicas", "edges"]


class EstateSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who there is: one of the simulator's shapes, drawn from the seed, or written out.

    Attributes:
        topology: name of a shape.
        components: all of them, when none is named.
        watch: what there are probes for.
    """

    topology: str = ""
    components: tuple[ComponentSpec, ...] = ()
    watch: tuple[Watched, ...] = ("components", "replicas", "edges")

    def __post_init__(self) -> None:
        if bool(self.topology) == bool(self.components):
            raise ConfigError("an estate is either a topology or a list of components")


class TrafficSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What users send; what is not said here is drawn with the topology.

    Attributes:
        rate: mean requests per second over a day.
        day_swing: how far the daily wave goes up and down, as a share of the mean.
        day_phase: where in the day the run begins; 0.25 is the peak.
        noise: standard deviation of its slow fluctuation, as a share.
        slow_s: an answer that takes longer is slow.
    """

    rate: Annotated[float, Meta(gt=0)] | None = None
    day_swing: Annotated[float, Meta(ge=0, le=1)] | None = None
    day_phase: Annotated[float, Meta(ge=0, le=1)] | None = None
    noise: Annotated[float, Meta(ge=0, le=1)] | None = None
    slow_s: Seconds | None = None


class FaultSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that befalls a target.

    Attributes:
        kind: what.
        target: component, edge (``web>cart``), or ``*`` where it befalls all.
        at_s: when, from the start of the run.
        lasts_s: after so long it passes by itself.
        severity: how bad; what it measures depends on the kind.
        share: share of the replicas that have it, at least one of them.
        trigger_s: how long that lasts which only sets the fault off.

    What is left out is usual for its kind: see `mendel.scenarios.faults`.
    """

    kind: FaultKind
    target: TargetOrAll
    at_s: Moment
    lasts_s: Seconds | None = None
    severity: Moment | None = None
    share: Share | None = None
    trigger_s: Moment | None = None


class WindowSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Announced maintenance, in which hands are kept off.

    Attributes:
        target: component, or ``*`` for all.
        at_s: its beginning, from the start of the run.
        lasts_s: how long.
        reason: for whoever asks.
    """

    target: TargetOrAll
    at_s: Moment
    lasts_s: Seconds
    reason: str = "maintenance"


class ActionOn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action that is or is not to be taken.

    Attributes:
        action: its name (``restart``).
        target: what on; ``*`` for anything. Where an action is demanded, a component stands for
            its replicas too; where it is forbidden, for all of them at once.
    """

    action: Name
    target: TargetOrAll = "*"


class Must(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to happen.

    Attributes:
        detected: targets that an incident is opened on; a component stands for its replicas and
            for what its callers see of it.
        healed: targets whose incident ends healed or cleared, and stays so.
        within_s: how long after the onset of the fault that may take; detection too.
        actions: each of them is taken at least once.
        escalated: targets that are handed to a person.
    """

    detected: tuple[Target, ...] = ()
    healed: tuple[Target, ...] = ()
    within_s: Seconds | None = None
    actions: tuple[ActionOn, ...] = ()
    escalated: tuple[Target, ...] = ()

    def __post_init__(self) -> None:
        if self.within_s is not None and not (self.detected or self.healed):
            raise ConfigError("within says how soon, but neither detected nor healed says what")


class MustNot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may not happen.

    Attributes:
        act_on: targets that nothing is done to; telling a person and keeping calls away from
            them are not meant.
        actions: none of them is taken.
        actions_max: more actions than this are too many, over all.
        open_incidents: whether any incident at all is one too many.
        escalate: whether handing anything to a person is too much.
    """

    act_on: tuple[TargetOrAll, ...] = ()
    actions: tuple[ActionOn, ...] = ()
    actions_max: Annotated[int, Meta(ge=0)] | None = None
    open_incidents: bool = False
    escalate: bool = False


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole scenario file.

    Attributes:
        name: unique among the scenarios it is kept with.
        description: what happens and what it is about, for people.
        source: where it comes from: a report, a measurement, a rule of operations.
        until_s: how long it runs.
        seed: of everything random in it.
        estate: who there is.
        traffic: what users send.
        faults: what befalls them; none makes a quiet day.
        maintenance: what is announced.
        must: what has to happen.
        must_not: what may not happen.
    """

    name: Name
    description: Text
    source: Text
    until_s: Seconds
    seed: Annotated[int, Meta(ge=0)] = 0
    estate: EstateSpec
    traffic: TrafficSpec = TrafficSpec()
    faults: tuple[FaultSpec, ...] = ()
    maintenance: tuple[WindowSpec, ...] = ()
    must: Must = Must()
    must_not: MustNot = MustNot()


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigError: with every problem that was found, in the order of the file.
    """
    return parse_scenario(
        text_of(path, noun="scenario", start='name = "..." and description = "..."'),
        os.fspath(path),
    )


def parse_scenario(text: str, name: str) -> Scenario:
    """Read the text of a scenario.

    Args:
        text: in TOML.
        name: what to call it in messages, usually its path.

    Raises:
        ConfigError: with every problem that was found, in the order of the text.
    """
    document = Document(text, name)
    scenario, problems = read(Scenario, document)
    if scenario is not None:
        problems += _contradictions(document, scenario)
    if scenario is None or problems:
        refuse_all(name, problems)
    return scenario


def _contradictions(document: Document, scenario: Scenario) -> Iterator[Problem]:
    """What no field shows by itself: names that lead nowhere, faults nobody will see."""
    yield from _unknown_names(document, scenario)
    for place, at_s in _moments(scenario):
        if at_s >= scenario.until_s:
            help_text = f"the run ends at {scenario.until_s:g} s"
            yield document.problem("MD170", "it begins when all is over", place, help_text)
    if scenario.must == Must() and scenario.must_not == MustNot():
        help_text = 'such as [must] healed = ["db"], or [must_not] open_incidents = true'
        yield document.problem("MD171", "it demands nothing", (), help_text)
    for index, wanted in enumerate(scenario.must.actions):
        if any(_forbids(each, wanted) for each in scenario.must_not.actions):
            message = f"{wanted.action} on {wanted.target} is demanded and forbidden"
            yield document.problem("MD172", message, ("must", "actions", index), "keep one of them")


def _forbids(rule: ActionOn, wanted: ActionOn) -> bool:
    return rule.action == wanted.action and rule.target in ("*", wanted.target)


def _moments(scenario: Scenario) -> Iterator[tuple[Path, float]]:
    for index, fault in enumerate(scenario.faults):
        yield ("faults", index), fault.at_s
    for index, window in enumerate(scenario.maintenance):
        yield ("maintenance", index), window.at_s


def _unknown_names(document: Document, scenario: Scenario) -> Iterator[Problem]:
    names = [each.name for each in scenario.estate.components]
    if not names:
        return  # The names of a drawn topology are its own affair.
    for index, name in enumerate(names):
        if name in names[:index]:
            place: Path = ("estate", "components", index, "name")
            yield document.problem("MD120", f"component `{name}` is defined twice", place)
    for place, target in _targets(scenario):
        for name in _components_of(target):
            if name not in names:
                help_text = did_you_mean(name, names, "components")
                yield document.problem("MD121", f"unknown component `{name}`", place, help_text)


def _components_of(target: str) -> list[str]:
    """The component of a target, or both sides of an edge; none for ``*``."""
    return [] if target == "*" else target.partition("/")[0].split(">")


def _targets(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    """Every target that is named, and where."""
    for index, component in enumerate(scenario.estate.components):
        yield from _each(("estate", "components", index, "depends_on"), component.depends_on)
    lists: list[tuple[str, Iterable[Any]]] = [
        ("faults", scenario.faults),
        ("maintenance", scenario.maintenance),
    ]
    for field, items in lists:
        for index, item in enumerate(items):
            yield (field, index, "target"), item.target
    must, must_not = scenario.must, scenario.must_not
    yield from _each(("must", "detected"), must.detected)
    yield from _each(("must", "healed"), must.healed)
    yield from _each(("must", "escalated"), must.escalated)
    yield from _each(("must_not", "act_on"), must_not.act_on)
    for side, rules in (("must", must.actions), ("must_not", must_not.actions)):
        for index, rule in enumerate(rules):
            yield (side, "actions", index), rule.target


def _each(place: Path, names: Iterable[str]) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(names):
        yield (*place, index), name
