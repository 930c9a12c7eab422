"""What the journal keeps of an incident: enough to explain it, and to go on after a crash."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .adoption import Standing
from .playbook import Attempt
from .topology import Kind


class IncidentRecord(Struct, frozen=True, kw_only=True, tag="incident"):
    """State of an incident after a transition; the newest one of an id counts.

    Attributes:
        incident: identifier.
        target: whose incident.
        stage: where it stands (`mendel.core.incidents.casefile.Stage`).
        reason: why it went there, in words.
        at_s: loop time of the transition.
        onset_s: start of its first anomaly, loop time.
        outcome: how it ended; empty while it is open.
        blamed: the target that is treated instead, when this one is only a symptom.
        actions: names of the actions that were run, in order.
        attempts: what was tried of the plan and what it led to, relapses included.
        isolated: whether calls are kept away from the target for its sake.
        cause: class of what is held to be wrong (``gray_failure``); empty where nobody knows.
        confidence: how surely, from 0 to 1.
        diagnosis: the same in words, with what was turned down; empty without a diagnosis.
        choice: why the action that begins was taken before others, where experience had a say.
    """

    incident: str
    target: str
    stage: str
    reason: str
    at_s: float
    onset_s: float
    outcome: str = ""
    blamed: str = ""
    actions: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    isolated: bool = False
    choice: str = ""
    cause: str = ""
    confidence: float = 0.0
    diagnosis: str = ""


class IntentRecord(Struct, frozen=True, kw_only=True, tag="intent"):
    """An action is about to start; it must be on disk before it does.

    Attributes:
        intent: identifier of this one execution.
        incident: what for.
        target: what it is run on.
        action: its name.
        attempt: 1 for the first try.
        timeout_s: how long it may take.
        at_s: loop time.
        settle_s: how long after its end its effect may take to show.
        disruptive: whether it costs capacity.
        before: what the world told of the target just before (such as pid and start time of its
            process), so that after a crash it can be asked whether the action took place.
    """

    intent: str
    incident: str
    target: str
    action: str
    attempt: int
    timeout_s: float
    at_s: float
    settle_s: float = 0.0
    disruptive: bool = True
    before: dict[str, Any] = {}


class OutcomeRecord(Struct, frozen=True, kw_only=True, tag="outcome"):
    """How an action ended.

    Attributes:
        intent: which execution.
        outcome: as in `mendel.bus.messages.ActionFinished`.
        detail: what a person should know, without secrets.
        duration_s: how long it took.
        at_s: loop time.
    """

    intent: str
    outcome: str
    detail: str
    duration_s: float
    at_s: float


class WindowRecord(Struct, frozen=True, kw_only=True, tag="window"):
    """Readings of a target around an incident.

    Attributes:
        incident: which incident.
        target: whose readings.
        times_s: loop time of each row, oldest first, n values.
        metrics: for each metric n values; ``None`` where a row had none.
    """

    incident: str
    target: str
    times_s: tuple[float, ...]
    metrics: dict[str, tuple[float | None, ...]]


class Ailment(Struct, frozen=True, kw_only=True):
    """What an action is tried against, as far as it is known beforehand.

    Attributes:
        kind: of the component.
        cause: class of what is held to be wrong; empty when nobody knows.
        signature: key of its symptoms (`mendel.core.detection.shapes.signature_of`); equal keys
            look alike.
    """

    kind: Kind = "service"
    cause: str = ""
    signature: str = ""


class ExperienceRecord(Struct, frozen=True, kw_only=True, tag="experience"):
    """What an action led to, and against what: a line of what is learned.

    Attributes:
        incident: which incident.
        target: what it was run on.
        action: its name.
        ailment: what was known when it was chosen.
        verdict: ``helped``, ``no_effect``, ``worse``, ``failed``, or ``relapsed``: it had helped,
            and was on record as such, but the target fell ill again soon.
        took_s: time from its start to the verdict; 0.0 when it is not known.
        at_s: loop time of the verdict; negative when it is older than this run of mendel.
    """

    incident: str
    target: str
    action: str
    ailment: Ailment
    verdict: str
    took_s: float
    at_s: float


class GenomeRecord(Struct, frozen=True, kw_only=True, tag="genome"):
    """A genome that somebody or something proposed; its number is never used twice.

    Attributes:
        genome: its number, from 1 on.
        parent: number of the one that was in force then; 0 for the configuration as it is written.
        origin: ``bred``, or who brought it.
        signature: of the space that it is from.
        genes: by name.
        support: fewest observations of anything that it changes.
        gain: share of the harm that it saves on incidents that it was not chosen by.
        gain_low: the least that is credible.
    """

    genome: int
    parent: int
    origin: str
    signature: str
    genes: dict[str, Any]
    support: int = 0
    gain: float = 0.0
    gain_low: float = 0.0


class SearchRecord(Struct, frozen=True, kw_only=True, tag="search"):
    """How far a search has come; the newest one of a number counts.

    Attributes:
        search: its number, from 1 on.
        generation: how many are done.
        generations: how many there are to be.
        evaluations: candidates judged.
        hypervolume: of what was found.
        is_over: whether there is nothing more to do.
        state: all that it takes to go on (`mendel.genome.state.SearchState`).
    """

    search: int
    generation: int
    generations: int
    evaluations: float
    hypervolume: float
    is_over: bool
    state: dict[str, Any]


class AdoptionRecord(Struct, frozen=True, kw_only=True, tag="adoption"):
    """What became of a genome.

    Attributes:
        decision: as in `mendel.core.adoption.Told`.
        genome: which.
        reason: in words.
        standing: what is in force from now on, and what is on trial.
    """

    decision: str
    genome: int
    reason: str
    standing: Standing


class Breeding(Struct, frozen=True, kw_only=True):
    """What a journal knows of genomes.

    Attributes:
        genomes: the newest, oldest first.
        search: the newest.
        adoption: the newest.
    """

    genomes: tuple[GenomeRecord, ...] = ()
    search: SearchRecord | None = None
    adoption: AdoptionRecord | None = None


Record = (
    IncidentRecord
    | IntentRecord
    | OutcomeRecord
    | WindowRecord
    | ExperienceRecord
    | GenomeRecord
    | SearchRecord
    | AdoptionRecord
)
