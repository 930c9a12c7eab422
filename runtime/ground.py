"""What every system stands on, with agents or without: a bus, and the world that it heals."""

from __future__ import annotations

from ..agents.ports import World
from ..bus.local import LocalBus


class Ground:
    """Enters a world with a bus beside it, and leaves both; the bus outlives the world.

    Args:
        world: what is healed.

    Attributes:
        bus: there once it is entered.
    """

    bus: LocalBus

    def __init__(self, world: World) -> None:
        self._world = world

    async def enter(self) -> LocalBus:
        """Begin; the caller leaves again, also when what it builds here fails."""
        self.bus = LocalBus()
        await self._world.__aenter__()
        return self.bus

    async def leave(self) -> None:
        """End: what the world still has to tell finds a bus."""
        try:
            await self._world.__aexit__(None, None, None)
        finally:
            await self.bus.close(0.0)
