"""The guards of a program, one per target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import UNSET
from msgspec.structs import fields

from ...errors import ConfigError
from .adaptive import make_guard
from .config import GuardConfig
from .events import lock
from .guard import Guard
from .rules import Rules

# A program that names targets after users or URLs would otherwise grow for ever.
GUARDS_MAX = 10_000

_guards: dict[str, Guard] = {}
_declared: dict[str, GuardConfig] = {}
_made: list[Callable[[Guard], None]] = []


def guard(
    target: str,
    config: GuardConfig | None = None,
    *,
    failures: tuple[type[Exception], ...] = (Exception,),
    ignored: tuple[type[Exception], ...] = (),
    is_failure: Callable[[Exception], bool] | None = None,
    is_failed_result: Callable[[Any], bool] | None = None,
    fallback: Any = UNSET,
    **parts: Any,
) -> Guard:
    """Return the guard of a target; the first use makes it, later ones share it.

    Args:
        target: name of what is called.
        config: what the guard consists of; or name the fields of `GuardConfig` directly, as in
            ``guard("db", retry=RetryConfig(), timeout_s=2.0)``.
        failures: exceptions that count as failures.
        ignored: of these, the ones that say nothing about the target's health.
        is_failure: has the last word on an exception that would count.
        is_failed_result: finds failures among results.
        fallback: what a caller gets instead of an error; see `mendel.agents.guards.steps.Steps`.
        parts: fields of `GuardConfig`.

    Raises:
        ConfigError: a setting is impossible, or the target already has a guard with other ones.
    """
    known = _guards.get(target)
    if known is not None and config is None and not parts and fallback is UNSET:
        custom = ignored or is_failure or is_failed_result or failures != (Exception,)
        if not custom:
            return known
    if parts:
        if config is not None:
            raise ConfigError("give either a GuardConfig or its fields, not both")
        config = _config_of(parts)
    rules = Rules(failures, ignored, is_failure, is_failed_result)
    with lock:
        known = _guards.get(target)
        if known is None:
            made = make_guard(target, config or GuardConfig(), rules=rules, fallback=fallback)
            _register(made, config or GuardConfig())
    if known is None:
        for listener in tuple(_made):
            listener(made)
        return made
    if config not in (None, _declared[target]) or known.rules != rules:
        raise ConfigError(f"guard {target!r} has already been made with other settings")
    return known


def guards() -> Mapping[str, Guard]:
    """All guards of the program by target; a view that follows what is made later."""
    return MappingProxyType(_guards)


def on_made(listener: Callable[[Guard], None]) -> Callable[[], None]:
    """Call back with each guard that is made from now on; returns what ends that."""
    _made.append(listener)
    return lambda: _made.remove(listener)


def forget(target: str) -> None:
    """Drop the guard of a target; functions that it wraps keep it. For tests, and dynamic names."""
    with lock:
        _guards.pop(target, None)
        _declared.pop(target, None)


def _register(made: Guard, declared: GuardConfig) -> None:
    if len(_guards) >= GUARDS_MAX:
        raise ConfigError(
            f"no guard for {made.target!r}: there are {GUARDS_MAX} already; "
            "name targets after services, not after users or URLs"
        )
    _guards[made.target] = made
    _declared[made.target] = declared


def _config_of(parts: dict[str, Any]) -> GuardConfig:
    known = [field.name for field in fields(GuardConfig)]
    unknown = [name for name in parts if name not in known]
    if unknown:
        raise ConfigError(f"guard() has no part {unknown[0]!r}; parts are {', '.join(known)}")
    return GuardConfig(**parts)
