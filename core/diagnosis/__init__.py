"""What is wrong, how surely, and what would take it away: from evidence to ranked hypotheses.

    readings -> `signs` (one target, by role) -> `scene` (everybody concerned)
             -> `rules` (hypotheses, each with its reasons) -> `remedies` (steps, best first)

Each class of fault is a rule that looks at the scene and says how much speaks for it; none knows of
the others. What nobody speaks for is *unknown*, and said to be so.
"""

from .diagnose import Diagnosis, diagnose
from .plain import Steady, plainly
from .remedies import Step
from .rules import Hypothesis
from .scene import Scene
from .signs import LADDER, Signs, signs_of

__all__ = [
    "LADDER",
    "Diagnosis",
    "Hypothesis",
    "Scene",
    "Signs",
    "Steady",
    "Step",
    "diagnose",
    "plainly",
    "signs_of",
]
