"""The factory: one call for whichever level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.levels import Level
from .healer import Healer
from .setup import Source, checked_level

if TYPE_CHECKING:
    from ...agents.ports import World
    from .agents import AgentsHealer


def create(
    level: Level, config: Source = None, *, world: World | None = None
) -> Healer | AgentsHealer:
    """A healer for a program, on a level.

    ``basic`` and ``advanced`` run nothing beside the program and cost microseconds; at ``full``
    agents do, so it has to be used as ``async with``, which the others allow too.

    Args:
        level: of the components for which the settings name none.
        config: settings: a file, its content as a mapping, what `mendel.load` has read, or a
            `mendel.Config`. Components that it names bring their probes and actions.
        world: any `mendel.World` with probes and actions, instead of those.

    Raises:
        ConfigError: there is no such level, or the settings are invalid.

    Example:
        >>> import asyncio, mendel
        >>> async def tend():
        ...     healer = mendel.create("basic")
        ...     healer.watch("cart", {"restart": lambda: print("restarting cart")})
        ...     await healer.detect_anomaly("cart", {"alive": 0.0})
        ...     finished = await healer.apply_response(await healer.select_response("cart"))
        ...     return finished.outcome
        >>> asyncio.run(tend())
        restarting cart
        'succeeded'
    """
    if checked_level(level) != "full":
        return Healer(level, config, world)
    from .agents import AgentsHealer  # Late: whoever needs no agents does not load them.

    return AgentsHealer(level, config, world)
