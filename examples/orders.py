"""What both shops have in common: a worker for orders, and the call to the payment service.

Nothing here knows which web framework is used.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import mendel

CONFIG = Path(__file__).with_name("shop.toml")
PAYMENT = os.environ.get("PAYMENT_URL", "http://127.0.0.1:8011")


class Shop:
    """Takes orders, and ships them one after the other.

    Args:
        system: heals it.
        client: for calls to the payment service.
    """

    def __init__(self, system: mendel.System, client: aiohttp.ClientSession) -> None:
        self.system = system
        self.orders: asyncio.Queue[int] = asyncio.Queue()
        self.shipped = 0
        self._client = client
        # Calls are let through while payment works, and refused at once while it is being healed.
        self._payment = system.guard("payment")

    async def order(self, number: int) -> dict[str, object]:
        """Have an order paid for, and take it.

        Raises:
            mendel.CallNotPermitted: the payment service is out of order; when to come back is said.
        """
        async with self._payment, self._client.get(f"{PAYMENT}/pay/{number}") as answer:
            paid = await answer.json()
        await self.orders.put(number)
        return {"order": number, "paid_by": paid["pid"]}

    async def ship(self) -> None:
        """The worker: ships what was ordered, and reports how it is doing."""
        while True:
            self.system.report("orders", {"queue": float(self.orders.qsize())})
            try:
                async with asyncio.timeout(0.5):
                    await self.orders.get()
            except TimeoutError:
                continue
            self.shipped += 1

    def health(self) -> dict[str, object]:
        """How everything is, for whoever asks over HTTP."""
        return {"status": self.system.health(), "components": self.system.statuses()}


def retry_after(refused: mendel.CallNotPermitted) -> str:
    """When to come back, in whole seconds; healing takes some, however long it takes."""
    return f"{math.ceil(min(max(refused.retry_after_s, 1.0), 5.0))}"


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """A shop that is healed as long as it is open."""
    async with (
        mendel.launch(CONFIG) as system,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as client,
    ):
        shop = Shop(system, client)
        worker = asyncio.create_task(shop.ship())
        try:
            yield shop
        finally:
            worker.cancel()
            await asyncio.wait({worker})
