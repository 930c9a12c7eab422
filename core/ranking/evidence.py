"""What is known of an action on one level of evidence: cases that fade, and durations of cures."""

from __future__ import annotations

import math
from typing import Protocol

# What makes things worse teaches more than what merely does nothing. A relapse has to outweigh the
# cure that it was taken for.
WEIGHTS = {"helped": 1.0, "no_effect": 1.0, "failed": 1.0, "worse": 2.0, "relapsed": 2.0}


class Fading(Protocol):
    """After how many newer cases, and after how much time, evidence counts half."""

    @property
    def half_life_cases(self) -> float:
        """Newer cases of the same action."""
        ...

    @property
    def half_life_s(self) -> float:
        """Time."""
        ...


class Evidence:
    """What is known of an action on one level; weights fade, counts do not.

    Attributes:
        cured, failed: weight of the cases.
        timed, log_s, log_s_squared: weight of the cures whose duration is known, and the sums of
            its logarithm and of the square of that.
        cures, tries: cases ever seen, for people.
        at_s: when the weights were last brought up to date ...
        at_case: ... and after how many cases of the action.
    """

    __slots__ = (
        *("at_case", "at_s", "cured", "cures", "failed"),
        *("log_s", "log_s_squared", "timed", "tries"),
    )

    def __init__(self) -> None:
        self.cured = self.failed = self.timed = self.log_s = self.log_s_squared = 0.0
        self.cures = self.tries = self.at_case = 0
        self.at_s = -math.inf

    def fade(self, now_s: float, case: int, config: Fading) -> None:
        """Bring the weights up to date."""
        elapsed_s = max(0.0, now_s - self.at_s) if self.tries else 0.0
        halvings = elapsed_s / config.half_life_s + (case - self.at_case) / config.half_life_cases
        if not halvings:
            return
        kept = 2.0**-halvings
        self.cured *= kept
        self.failed *= kept
        self.timed *= kept
        self.log_s *= kept
        self.log_s_squared *= kept
        self.at_s, self.at_case = max(self.at_s, now_s), case

    def add(self, verdict: str, took_s: float) -> None:
        """Take in one more case."""
        if verdict == "relapsed":  # It is on record already, as a cure.
            self.cures -= min(self.cures, 1)
            self.failed += WEIGHTS[verdict]
            return
        self.tries += 1
        if verdict != "helped":
            self.failed += WEIGHTS[verdict]
            return
        self.cures += 1
        self.cured += 1.0
        if 0.0 < took_s < math.inf:
            self.timed += 1.0
            log_s = math.log(took_s)
            self.log_s += log_s
            self.log_s_squared += log_s * log_s
