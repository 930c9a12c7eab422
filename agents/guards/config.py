"""What a guard consists of, as far as it can be written in a file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ...core.circuits.adaptive import AdaptiveConfig
from ...core.circuits.circuit import CircuitConfig
from ...core.circuits.concurrency import AdaptiveLimitConfig
from ...core.circuits.limits import BulkheadConfig, RateConfig, ThrottleConfig
from ...core.circuits.retry import HedgeConfig, RetryConfig
from ...core.settings import Settings
from ...errors import ConfigError

_PARTS: dict[str, type[Settings]] = {
    "circuit": CircuitConfig,
    "retry": RetryConfig,
    "hedge": HedgeConfig,
    "bulkhead": BulkheadConfig,
    "limit": AdaptiveLimitConfig,
    "adaptive": AdaptiveConfig,
    "rate": RateConfig,
    "throttle": ThrottleConfig,
}


class GuardConfig(Settings, frozen=True, kw_only=True):
    """The parts of a guard that can be written in a file; what is ``None`` is left out.

    Attributes:
        circuit: when calls are kept away.
        adaptive: how the circuit follows what is normal, and opens ahead of failure.
        retry: how often a failed call is tried again.
        hedge: when a late call gets a second one.
        timeout_s: how long one attempt may take.
        bulkhead: how many calls may be in flight.
        limit: the same, found out by itself; instead of a bulkhead.
        rate: how many calls per time.
        throttle: when to hold back what the target refuses anyway.
    """

    circuit: CircuitConfig = CircuitConfig()
    retry: RetryConfig | None = None
    hedge: HedgeConfig | None = None
    timeout_s: Annotated[float, Meta(gt=0)] | None = None
    bulkhead: BulkheadConfig | None = None
    limit: AdaptiveLimitConfig | None = None
    adaptive: AdaptiveConfig | None = None
    rate: RateConfig | None = None
    throttle: ThrottleConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bulkhead is not None and self.limit is not None:
            raise ConfigError("bulkhead and limit both cap the calls in flight; choose one")
        for name, kind in _PARTS.items():
            part = getattr(self, name)
            if not isinstance(part, kind) and (part is not None or name == "circuit"):
                raise ConfigError(f"{name}={part!r} must be a {kind.__name__}")

    @property
    def has_steps(self) -> bool:
        """Whether there is anything besides the circuit."""
        parts = (self.retry, self.hedge, self.timeout_s, self.bulkhead, self.limit, self.rate)
        return self.throttle is not None or any(part is not None for part in parts)
