"""What the suites have in common: an event loop of their own, and a verdict in words."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar

import psutil
from msgspec import Struct

from ..virtual_time import run

# For a machine that is busy otherwise; nothing here takes as long by itself.
MARGIN_S = 2.0


class Contract:
    """Base of all suites.

    Attributes:
        in_virtual_time: whether time jumps; then threads, child processes and the network are out.
    """

    in_virtual_time: ClassVar[bool] = True

    def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run one test in an event loop of its own, and see that it leaves no task behind."""
        main = _tidy(body)
        if self.in_virtual_time:
            run(main)
        else:
            asyncio.run(main)


class Verdict(Struct, frozen=True):
    """What came of one rule of a contract.

    Attributes:
        rule: in words.
        kept: whether it is kept.
        detail: what was found instead; empty when it is kept.
    """

    rule: str
    kept: bool
    detail: str = ""


def demand(condition: object, words: str) -> None:
    """Fail with words that whoever wrote the tested thing can act on.

    Raises:
        AssertionError: the condition does not hold.
    """
    if not condition:
        raise AssertionError(words)


def verdicts(contract: type[Contract]) -> Iterator[Verdict]:
    """Run a suite without pytest, rule by rule."""
    for name, _ in inspect.getmembers(contract, inspect.isfunction):
        if name.startswith("test_"):
            yield _verdict(name, getattr(contract(), name))


def living_children() -> set[int]:
    """All living descendants of this process."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


async def without_new_children(before: set[int]) -> bool:
    """Whether everything that was started since has ended, or ends soon."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + MARGIN_S
    while living_children() - before:
        if loop.time() > deadline_s:
            return False
        await asyncio.sleep(0.01)
    return True


def _verdict(name: str, test: Callable[[], None]) -> Verdict:
    rule = name.removeprefix("test_").replace("_", " ")
    try:
        test()
    except AssertionError as error:
        return Verdict(rule, kept=False, detail=str(error))
    except Exception as error:  # noqa: BLE001  Foreign code: anything may come.
        return Verdict(rule, kept=False, detail=_where(error))
    return Verdict(rule, kept=True)


def _where(error: BaseException) -> str:
    """An error in one line, with the place in the tested code that it came from."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


async def _tidy(body: Coroutine[Any, Any, None]) -> None:
    await body
    await asyncio.sleep(0)
    left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    names = ", ".join(sorted(each.get_name() for each in left))
    demand(not left, f"tasks are left behind: {names}")
