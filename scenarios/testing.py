"""For tests of agents: a pytest plug-in, loaded by itself where mendel is installed.

A test that is marked ``virtual_time`` runs, with its asynchronous fixtures, in an event loop whose
clock jumps (`mendel.scenarios.virtual_time`), so an hour of waiting takes no time::

    @pytest.mark.virtual_time
    async def test_an_hour_passes() -> None:
        await asyncio.sleep(3600)

The mark says which loop, pytest-asyncio (1.4 or newer) does the rest; in its strict mode the test
needs ``pytest.mark.asyncio`` as well. On a module (``pytestmark``) or a class the mark leaves the
tests alone that are not asynchronous. The loop is that of the test and lives as long: properties
that need a fresh clock for each example call `mendel.scenarios.virtual_time.run`.

The fixture ``mendel_system`` gives a test of an agent a bus to live on, in virtual time, without
the mark (`mendel.scenarios.rehearsal.Rehearsal`).

`AgentContract`, `ProbeContract`, `ActionContract` and `WorldContract` are suites that test what
each of these keeps (`mendel.scenarios.contracts`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .contracts import ActionContract as ActionContract
    from .contracts import AgentContract as AgentContract
    from .contracts import ProbeContract as ProbeContract
    from .contracts import WorldContract as WorldContract
    from .rehearsal import Rehearsal

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
_MARK = "virtual_time"
_FIXTURE = "mendel_system"


def __getattr__(name: str) -> Any:
    """The suites, when they are asked for: most pytest runs do not need them."""
    if name.endswith("Contract"):
        from . import contracts

        return getattr(contracts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", f"{_MARK}: run the asynchronous test in an event loop whose clock jumps"
    )


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Generator[None, LoopFactories | None, LoopFactories]:
    """Choose the loop of a marked test; others keep what the project or asyncio chooses.

    A wrapper, because the hook of a user's conftest would otherwise answer first, for marked tests
    too; and pytest-asyncio takes no "no choice" once anybody implements the hook.
    """
    chosen = yield
    if item.get_closest_marker(_MARK) is not None or _FIXTURE in getattr(item, "fixturenames", ()):
        from .virtual_time import VirtualTimeLoop  # Late: most pytest runs do not need it.

        return {_MARK: VirtualTimeLoop}
    return chosen or {"asyncio": asyncio.new_event_loop}


def _fixture() -> Callable[..., Any]:
    try:
        from pytest_asyncio import fixture
    except ImportError:  # Then pytest itself says what is missing, to tests that use it.
        return pytest.fixture
    return fixture


@_fixture()
async def mendel_system() -> AsyncGenerator[Rehearsal, None]:
    """A bus in virtual time for agents to live on; see `mendel.scenarios.rehearsal`."""
    from .rehearsal import Rehearsal

    rehearsal = Rehearsal()
    yield rehearsal
    await rehearsal.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse marked tests that would wait in real time.

    Raises:
        pytest.UsageError: pytest-asyncio does not run the test, or is too old to be told the loop.
    """
    late = [
        item.nodeid
        for item in items
        if item.get_closest_marker(_MARK) is not None
        and isinstance(item, pytest.Function)
        and inspect.iscoroutinefunction(item.obj)
        and not _runs_in_virtual_time(item)
    ]
    if late:
        raise pytest.UsageError(
            f"marked {_MARK}, but not run by pytest-asyncio >= 1.4 in auto mode or with the mark "
            f"asyncio: {', '.join(late)}"
        )


def _runs_in_virtual_time(item: pytest.Function) -> bool:
    from .virtual_time import VirtualTimeLoop

    callspec = getattr(item, "callspec", None)
    return callspec is not None and VirtualTimeLoop in callspec.params.values()
