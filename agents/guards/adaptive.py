"""A guard whose circuit follows what is normal for its target, and may open ahead of failure."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ...core.circuits.adaptive import Adaptation, AdaptiveConfig
from ...core.circuits.circuit import Outcome, Pass
from ...errors import ConfigError
from .clock import clock
from .config import GuardConfig
from .events import changes, deliver, lock
from .guard import Guard
from .rules import Rules


class AdaptiveGuard(Guard):
    """A guard that learns from every call, so calls cost more than those of a plain one.

    Attributes:
        adaptation: what it has learned, and the account of its forecasts.

    Raises:
        ConfigError: the configuration does not say how to adapt.
    """

    __slots__ = ("adaptation",)

    def __init__(
        self, target: str, config: GuardConfig, *, rules: Rules | None = None, fallback: Any = UNSET
    ) -> None:
        super().__init__(target, config, rules=rules or Rules(), fallback=fallback)
        self.adaptation = Adaptation(self.circuit, _adaptive(config), clock.now_s())

    def end(
        self,
        granted: Pass,
        error: BaseException | None = None,
        started_s: float | None = None,
        result: Any = None,
    ) -> Outcome:
        """Tell the circuit how a call went, and learn from it."""
        outcome = super().end(granted, error, started_s, result)
        if started_s is not None:
            now_s = clock.now_s()
            with lock:
                self.adaptation.record(outcome, now_s - started_s, now_s)
            if changes:
                deliver()
        return outcome

    def reconfigure(self, config: GuardConfig) -> None:
        """Swap the settings; what has been learned stays.

        Raises:
            ConfigError: a part would appear or vanish.
        """
        adaptive = _adaptive(config)
        super().reconfigure(config)
        with lock:
            self.adaptation.rebase(config.circuit, adaptive, clock.now_s())
        if changes:
            deliver()


def _adaptive(config: GuardConfig) -> AdaptiveConfig:
    if config.adaptive is None:
        raise ConfigError("an adaptive guard needs `adaptive`, which says how to adapt")
    return config.adaptive


def make_guard(target: str, config: GuardConfig, *, rules: Rules, fallback: Any = UNSET) -> Guard:
    """Make the kind of guard that a configuration asks for."""
    kind = Guard if config.adaptive is None else AdaptiveGuard
    return kind(target, config, rules=rules, fallback=fallback)
