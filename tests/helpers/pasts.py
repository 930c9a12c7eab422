"""Histories of incidents for tests of evolution: small, and with a known best answer."""

from __future__ import annotations

from mendel.core.policy import ActionFacts
from mendel.core.records import Ailment, ExperienceRecord
from mendel.core.topology import Kind
from mendel.genome.history import History, Means, PastIncident

# A trouble begins here, and is read once a second from two minutes before on.
ONSET_S = 120.0


def a_verdict(
    action: str, verdict: str, incident: str = "1-1", kind: Kind = "service", took_s: float = 10.0
) -> ExperienceRecord:
    return ExperienceRecord(
        incident=incident,
        target="cart",
        action=action,
        ailment=Ailment(kind=kind, signature="ok"),
        verdict=verdict,
        took_s=took_s,
        at_s=ONSET_S + 30.0,
    )


def a_past(
    name: str,
    *tried: ExperienceRecord,
    kind: Kind = "service",
    ok: tuple[float, ...] = (1.0,) * 120 + (0.0,) * 5,
    is_real: bool = True,
) -> PastIncident:
    """Wrong answers from second 120 on; the first action began 4 seconds later."""
    return PastIncident(
        incident=name,
        target="cart",
        ailment=tried[0].ailment if tried else Ailment(kind=kind),
        utc=0.0,
        onset_s=ONSET_S,
        opened_s=ONSET_S + 2.0,
        acted_s=ONSET_S + 4.0,
        times_s=tuple(map(float, range(len(ok)))),
        metrics={"ok": ok},
        tried=tried,
        is_real=is_real,
    )


def means(*actions: str, settle_s: float = 5.0) -> dict[str, Means]:
    """Actions that run for two seconds each."""
    return {
        name: Means(facts=ActionFacts(name=name, settle_s=settle_s), run_s=2.0) for name in actions
    }


def a_history(count: int = 20) -> History:
    """Incidents of a service that a restart never ends, and a replacement always does."""
    incidents = [
        a_past(
            name := f"1-{number}",
            a_verdict("restart", "no_effect", name),
            a_verdict("restart", "no_effect", name),
            a_verdict("replace", "helped", name),
        )
        for number in range(count)
    ]
    return History(incidents=tuple(incidents), means={"service": means("restart", "replace")})
