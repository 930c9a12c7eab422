"""Incidents that were healed, and which of them a new one looks like.

What an incident looks like is its signature (`mendel.core.detection.shapes`): which kinds of
metrics are out of the ordinary, which way, and how far, in coarse steps. Two signatures are as
alike as the part of their symptoms that both share (Ružička's index), so that one symptom more or
less, or one that is further out, does not make a stranger of what was met before. Only cures are
remembered: what did not help is known by the evidence of each action
(`mendel.core.ranking.ranking`).

The alternative, a table of the keys alone, was turned down: an incident is read some seconds
earlier or later each time, and many a symptom is near a step of its scale.

Source:
    Ružička, Biologia 13 (1958) 647-661, for the index; Cohen et al., SOSP 2005, for signatures of
    incidents that are looked up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from ..detection.shapes import NO_SIGNATURE
from ..records import Ailment, ExperienceRecord

# The oldest is forgotten first; a year of an estate with an incident a day fits.
CASES_MAX = 500
# What is less alike is another matter.
ALIKE = 0.6
# In a component of another kind the same symptoms say less.
_OTHER_KIND = 0.8
# What does not work at all is as far out as anything can be.
_GONE = 2


class Likeness(Struct, frozen=True, kw_only=True):
    """An incident that looked like the present one, and what healed it.

    Attributes:
        incident: which one.
        action: what healed it.
        signature: what it looked like.
        alike: how much, from `ALIKE` to 1.
    """

    incident: str
    action: str
    signature: str
    alike: float

    @property
    def words(self) -> str:
        """``like incident 1-3 (92 % alike), healed by restart``."""
        return f"like incident {self.incident} ({self.alike:.0%} alike), healed by {self.action}"


class Cases:
    """What was healed, newest last."""

    __slots__ = ("_cures",)

    def __init__(self) -> None:
        self._cures: deque[ExperienceRecord] = deque(maxlen=CASES_MAX)

    def learn(self, record: ExperienceRecord) -> None:
        """Take in what an action led to; a cure that did not last was none."""
        if record.verdict == "relapsed":
            stays = [each for each in self._cures if not _is_of(each, record)]
            self._cures.clear()
            self._cures.extend(stays)
        elif record.verdict == "helped" and symptoms_of(record.ailment.signature):
            self._cures.append(record)

    def like(self, ailment: Ailment, now_s: float, half_life_s: float) -> Likeness | None:
        """The cure of what looked most like this; of equals the newest.

        Args:
            ailment: what is to be cured.
            now_s: loop time.
            half_life_s: after so much time a case counts half.
        """
        seen = symptoms_of(ailment.signature)
        best, found = 0.0, None
        for cure in self._cures:
            its = cure.ailment
            if not seen or (its.cause and ailment.cause and its.cause != ailment.cause):
                continue
            alike = alike_as(seen, symptoms_of(its.signature))
            alike *= 1.0 if its.kind == ailment.kind else _OTHER_KIND
            faded = alike * 2.0 ** (-max(now_s - cure.at_s, 0.0) / half_life_s)
            if alike >= ALIKE and faded >= best:
                best = faded
                found = Likeness(
                    incident=cure.incident,
                    action=cure.action,
                    signature=its.signature,
                    alike=alike,
                )
        return found


def _is_of(cure: ExperienceRecord, relapse: ExperienceRecord) -> bool:
    return (cure.incident, cure.action) == (relapse.incident, relapse.action)


def symptoms_of(signature: str) -> dict[str, int]:
    """Symptoms of a signature: how far out each kind of metric is, negative where it is low.

    Example:
        >>> symptoms_of("alive errors++ rate-")
        {'alive': 2, 'errors': 2, 'rate': -1}
    """
    found = {}
    for word in signature.split() if signature != NO_SIGNATURE else ():
        role = word.rstrip("+-")
        signs = word[len(role) :]
        found[role] = (len(signs) if signs.startswith("+") else -len(signs)) or _GONE
    return found


def alike_as(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """How much two sets of symptoms share, from 0 to 1.

    Example:
        >>> alike_as({"errors": 2, "latency": 1}, {"errors": 2})
        0.6666666666666666
    """
    shared = whole = 0
    for role in one.keys() | other.keys():
        here, there = one.get(role, 0), other.get(role, 0)
        if here * there > 0:
            shared += min(abs(here), abs(there))
            whole += max(abs(here), abs(there))
        else:
            whole += abs(here) + abs(there)
    return shared / whole if whole else 0.0
