"""What can be broken on real processes, how, and which kinds of the catalogue that stands for.

A fault of a *process* (`Drill.lives_in`) is over when another process has taken its place; one of
the *network* passes by itself when its time is over, whatever is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from ..catalogue import FaultKind
from .proxy import Weather

DrillKind = Literal[
    "crash",
    "hang",
    "slow",
    "failing",
    "leak",
    "dependency_down",
    "partition",
    "half_open",
    "reset",
]

# By signal, by a proxy before the component, or by ballast in its process group.
Means = Literal["signal", "proxy", "ballast"]

FAILING_RATE = 0.8


class Drill(Struct, frozen=True, kw_only=True):
    """One kind of fault that can be made real.

    Attributes:
        words: what is done, for people; ``{target}`` is filled in.
        means: how.
        lives_in: where it sits, and so what ends it.
        weather: what the proxy is told; latency is added where it is needed.
    """

    words: str
    means: Means
    lives_in: Literal["process", "network"] = "process"
    weather: Weather = Weather()


DRILLS: Mapping[DrillKind, Drill] = {
    "crash": Drill(words="kill -9 {target}", means="signal"),
    "hang": Drill(words="SIGSTOP: {target} hangs", means="signal"),
    "slow": Drill(words="{target} answers later than its probe waits", means="proxy"),
    "failing": Drill(
        words="{target} fails 80 % of the requests",
        means="proxy",
        weather=Weather(error_rate=FAILING_RATE),
    ),
    "leak": Drill(words="{target} leaks memory", means="ballast"),
    "dependency_down": Drill(
        words="{target} refuses all connections",
        means="proxy",
        lives_in="network",
        weather=Weather(refuses=True),
    ),
    "partition": Drill(
        words="nothing gets through to {target}, or back",
        means="proxy",
        lives_in="network",
        weather=Weather(cut=("up", "down")),
    ),
    "half_open": Drill(
        words="{target} hears its callers, and they do not hear it",
        means="proxy",
        lives_in="network",
        weather=Weather(cut=("down",)),
    ),
    "reset": Drill(
        words="connections to {target} are reset",
        means="proxy",
        lives_in="network",
        weather=Weather(reset_rate=FAILING_RATE),
    ),
}

MADE_REAL: Mapping[FaultKind, DrillKind] = {
    "crash": "crash",
    "hang": "hang",
    "gray_failure": "failing",
    "limplock": "slow",
    "memory_leak": "leak",
    "cascade": "slow",
    "dependency_outage": "dependency_down",
    "stale_pool": "reset",
    "partition": "partition",
    "bad_deploy": "failing",
    "noisy_neighbour": "slow",
    "correlated_loss": "crash",
}
"""By kind of the catalogue; what is not here is no fault of processes or their connections."""
