"""An aiohttp program that heals the services it needs, and parts of itself.

    pip install mendel
    cd examples && python aiohttp_shop.py 8000
    curl localhost:8000/orders/1 ; curl localhost:8000/health
    pkill -f payment.py            # and ask again

mendel lives in the event loop of the program and takes no signal from it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
import mendel
from aiohttp import web
from orders import Shop, open_shop, retry_after

SHOP = web.AppKey("shop", Shop)


async def serve_shop(app: web.Application) -> AsyncIterator[None]:
    """The shop is open while the program serves."""
    async with open_shop() as shop:
        app[SHOP] = shop
        yield


async def order(request: web.Request) -> web.Response:
    """Order something."""
    try:
        return web.json_response(await request.app[SHOP].order(int(request.match_info["number"])))
    except mendel.CallNotPermitted as refused:
        wait = {"Retry-After": retry_after(refused)}
        raise web.HTTPServiceUnavailable(text="payment is being healed", headers=wait) from refused
    except (aiohttp.ClientError, TimeoutError) as error:
        raise web.HTTPBadGateway(text="payment does not answer") from error


async def health(request: web.Request) -> web.Response:
    """How the shop is."""
    return web.json_response(request.app[SHOP].health())


def make_app() -> web.Application:
    """The program, ready to be run."""
    app = web.Application()
    app.cleanup_ctx.append(serve_shop)
    app.router.add_get("/orders/{number:\\d+}", order)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]) if sys.argv[1:] else 8000)
