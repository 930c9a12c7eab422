"""A FastAPI program that heals the services it needs, and parts of itself.

    pip install mendel fastapi uvicorn
    cd examples && uvicorn fastapi_shop:app
    curl localhost:8000/orders/1 ; curl localhost:8000/health
    pkill -f payment.py            # and ask again

mendel lives in the event loop of the program and takes no signal from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import mendel
from fastapi import FastAPI, HTTPException
from orders import Shop, open_shop, retry_after


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The shop is open while the program serves."""
    async with open_shop() as shop:
        app.state.shop = shop
        yield


app = FastAPI(title="shop", lifespan=lifespan)


@app.get("/orders/{number}")
async def order(number: int) -> dict[str, object]:
    """Order something."""
    shop: Shop = app.state.shop
    try:
        return await shop.order(number)
    except mendel.CallNotPermitted as refused:
        wait = {"Retry-After": retry_after(refused)}
        raise HTTPException(503, "payment is being healed", headers=wait) from refused
    except (aiohttp.ClientError, TimeoutError) as error:
        raise HTTPException(502, "payment does not answer") from error


@app.get("/health")
async def health() -> dict[str, object]:
    """How the shop is."""
    shop: Shop = app.state.shop
    return shop.health()
