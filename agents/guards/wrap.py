"""Wraps functions so that they keep their signature, and calls cost next to nothing.

A wrapper that takes ``*args, **kwargs`` packs and unpacks them on every call, which costs as much
as the rest of the guard. So the wrapper of a plain function is compiled with the parameters of that
function, from one of the texts below; a function whose signature cannot be read gets the same text
with ``*args, **kwargs``.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import lru_cache, partial, update_wrapper
from inspect import Parameter
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .guard import Guard
    from .steps import Steps

_STARS: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}

# Names that begin with `_g_` are ours; parameters of the wrapped function keep theirs.
_ASYNC = """\
async def _g_wrapper({parameters}):
    _g_era = _g_circuit.plain
    if _g_era is not None:
        try:
            _g_result = await _g_function({arguments})
        except BaseException as _g_error:
            _g_failed(_g_era, _g_error)
            raise
        _g_era.calls += 1
        return _g_result
    _g_era = _g_circuit.timed
    if _g_era is not None:
        if _g_clock.loop._thread_id is None:
            _g_clock.bind()
        _g_started_s = _g_clock.read()
        try:
            _g_result = await _g_function({arguments})
        except BaseException as _g_error:
            _g_end(_g_era, _g_error, _g_started_s)
            raise
        if _g_clock.read() - _g_started_s < _g_circuit.config.slow_call_s:
            _g_era.calls += 1
        else:
            _g_end(_g_era, None, _g_started_s)
        return _g_result
    _g_era = _g_begin()
    _g_started_s = _g_clock.now_s()
    try:
        _g_result = await _g_function({arguments})
    except BaseException as _g_error:
        _g_end(_g_era, _g_error, _g_started_s)
        raise
    _g_end(_g_era, None, _g_started_s, _g_result)
    return _g_result
"""

_SYNC = """\
def _g_wrapper({parameters}):
    _g_pass = _g_begin()
    _g_started_s = _g_clock.now_s()
    try:
        _g_result = _g_function({arguments})
    except BaseException as _g_error:
        _g_end(_g_pass, _g_error, _g_started_s)
        raise
    _g_end(_g_pass, None, _g_started_s, _g_result)
    return _g_result
"""

# The first attempt inline while nothing stands in its way; what comes after a failure, or when
# something does, is the business of `Steps`. Lines are left out for parts that there are not.
_FIRST_STEP = """\
async def _g_wrapper({parameters}):
    _g_era = _g_circuit.plain
    if _g_era is None{or_full}:
        return await _g_run(_g_partial(_g_function, {arguments}))
    {take_slot}
    {watch}
    try:
        _g_result = await _g_function({arguments})
    except BaseException as _g_error:
        _g_failure = _g_attempt_failed(_g_era, _g_error, {task})
    else:
        {give_slot_back}
        {unwatch}
        _g_era.calls += 1
        return _g_result
    return await _g_recover(_g_partial(_g_function, {arguments}), _g_failure)
"""
_SLOT_LINES = {
    "or_full": " or _g_slots.free <= 0",
    "take_slot": "_g_slots.free -= 1",
    "give_slot_back": "_g_slots.free += 1; _g_queue and _g_wake()",
}
_DEADLINE_LINES = {
    "watch": "_g_task = _g_watch()",
    "task": "_g_task",
    "unwatch": "_g_deadlines.due_s.pop(_g_task, None) is None and _g_ended(_g_task)",
}
_NO_LINES = dict.fromkeys([*_SLOT_LINES, *_DEADLINE_LINES], "") | {"task": "None"}


def _first_step(*, slots: bool, deadline: bool) -> str:
    lines = _NO_LINES | (_SLOT_LINES if slots else {}) | (_DEADLINE_LINES if deadline else {})
    return _FIRST_STEP.format(parameters="{parameters}", arguments="{arguments}", **lines)


_STEPS = """\
async def _g_wrapper({parameters}):
    return await _g_run(_g_partial(_g_function, {arguments}))
"""

_SYNC_STEPS = """\
def _g_wrapper({parameters}):
    return _g_run_sync(_g_partial(_g_function, {arguments}))
"""


def wrap(guard: Guard, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under guard, of the same kind and with the same signature."""
    if inspect.isasyncgenfunction(function):
        return update_wrapper(_async_generator(guard, function), function)
    if inspect.isgeneratorfunction(function):
        return update_wrapper(_generator(guard, function), function)
    names: dict[str, Any] = {"_g_function": function, "_g_partial": partial, **guard.names()}
    if inspect.iscoroutinefunction(function):
        text = _ASYNC if guard.steps is None else _text_of(guard.steps)
    else:
        text = _SYNC if guard.steps is None else _SYNC_STEPS
        if guard.steps is not None:
            guard.steps.check_sync(function)
    parameters, arguments = _signature(function, names)
    exec(_code(text, parameters, arguments), names)  # noqa: S102  # Our text; names are identifiers.
    wrapper: Callable[..., Any] = names.pop("_g_wrapper")
    return update_wrapper(wrapper, function)


def _text_of(steps: Steps) -> str:
    if not steps.inline:
        return _STEPS
    return _first_step(slots=steps.limits, deadline=steps.deadlines is not None)


@lru_cache(maxsize=1024)
def _code(text: str, parameters: str, arguments: str) -> CodeType:
    source = text.format(parameters=parameters, arguments=arguments)
    return compile(source, "<mendel guard>", "exec")


def _signature(function: Callable[..., Any], names: dict[str, Any]) -> tuple[str, str]:
    """Spell parameters and arguments; defaults go into ``names``."""
    try:
        parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):  # Some C functions do not tell.
        return "*args, **kwargs", "*args, **kwargs"
    spelled: list[str] = []
    passed: list[str] = []
    kinds = [each.kind for each in parameters]
    for index, each in enumerate(parameters):
        if each.kind is Parameter.KEYWORD_ONLY and not {
            Parameter.KEYWORD_ONLY,
            Parameter.VAR_POSITIONAL,
        }.intersection(kinds[:index]):
            spelled.append("*")
        star = _STARS.get(each.kind, "")
        default = ""
        if each.default is not Parameter.empty:
            default = f"=_g_default_{index}"
            names[f"_g_default_{index}"] = each.default
        spelled.append(f"{star}{each.name}{default}")
        keyword = each.kind is Parameter.KEYWORD_ONLY
        passed.append(f"{each.name}={each.name}" if keyword else f"{star}{each.name}")
        if (
            each.kind is Parameter.POSITIONAL_ONLY
            and Parameter.POSITIONAL_ONLY not in kinds[index + 1 :]
        ):
            spelled.append("/")
    return ", ".join(spelled), ", ".join(passed)


def _generator(
    guard: Guard, function: Callable[..., Generator[Any, Any, Any]]
) -> Callable[..., Generator[Any, Any, Any]]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        granted = guard.begin()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            guard.end(granted, error)
            raise
        # How long its reader took between the items says nothing about the target.
        guard.end(granted)
        return result

    return wrapper


def _async_generator(
    guard: Guard, function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        granted = guard.begin()
        items = function(*args, **kwargs)
        try:
            item = await anext(items)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001  # Handed on as it is.
                    item = await items.athrow(error)
                else:
                    item = await items.asend(sent)
        except StopAsyncIteration:
            guard.end(granted)
        except BaseException as error:
            guard.end(granted, error)
            raise
        finally:
            await items.aclose()

    return wrapper
