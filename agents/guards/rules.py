"""What the end of a call says about the health of its target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...core.circuits.circuit import CircuitConfig, Outcome
from ...errors import CallNotPermitted, ConfigError

# Looking a member up in its enumeration costs as much as a function call.
_SUCCESS, _FAILURE, _SLOW, _NEUTRAL = (
    Outcome.SUCCESS,
    Outcome.FAILURE,
    Outcome.SLOW,
    Outcome.NEUTRAL,
)


_KNOWN_MAX = 256  # Types made at run time must not pile up.


def _is_exception_type(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, Exception)


class Rules:
    """Classify the ends of calls.

    Args:
        failures: exceptions that count as failures of the target.
        ignored: of these, the ones that say nothing about it (its answer to a wrong question).
        is_failure: has the last word on an exception that would count.
        is_failed_result: finds failures among results, such as a response with status 503.

    Attributes:
        known: types of exceptions that are known to count, so that they need no look at the rest.

    Raises:
        ConfigError: something that is no exception type is listed.
    """

    __slots__ = ("failures", "ignored", "is_failed_result", "is_failure", "known")

    def __init__(
        self,
        failures: tuple[type[Exception], ...] = (Exception,),
        ignored: tuple[type[Exception], ...] = (),
        is_failure: Callable[[Exception], bool] | None = None,
        is_failed_result: Callable[[Any], bool] | None = None,
    ) -> None:
        for each in (*failures, *ignored):
            if not (_is_exception_type(each)):
                raise ConfigError(f"failures and ignored take exception types, not {each!r}")
        self.known: set[type[BaseException]] = set()
        self.failures = failures
        # A guard inside of this one that refuses a call says nothing about this one's target.
        self.ignored = (*ignored, CallNotPermitted)
        self.is_failure = is_failure
        self.is_failed_result = is_failed_result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and all(
            getattr(self, name) == getattr(other, name)
            for name in self.__slots__
            if name != "known"
        )

    __hash__ = None  # type: ignore[assignment]  # Compared, never looked up.

    def of_error(self, error: BaseException, duration_s: float, config: CircuitConfig) -> Outcome:
        """Classify a call that raised; ``duration_s`` is 0 when it was not measured."""
        if isinstance(error, self.failures) and not isinstance(error, self.ignored):
            if self.is_failure is None:
                self._keep(type(error))
                return _FAILURE
            if self.is_failure(error):
                return _FAILURE
        elif isinstance(error, asyncio.CancelledError) and config.late_cancel_is_slow:
            slow_call_s = config.slow_call_s
            if slow_call_s is not None and duration_s >= slow_call_s:
                return _SLOW
        return _NEUTRAL

    def _keep(self, kind: type[BaseException]) -> None:
        """Remember a type that always counts; what else there is depends on more than its type."""
        if len(self.known) < _KNOWN_MAX:
            self.known.add(kind)

    def of_result(self, result: Any, duration_s: float, config: CircuitConfig) -> Outcome:
        """Classify a call that returned."""
        if self.is_failed_result is not None and self.is_failed_result(result):
            return _FAILURE
        slow = config.slow_call_s is not None and duration_s >= config.slow_call_s
        return _SLOW if slow else _SUCCESS
