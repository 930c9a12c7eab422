"""Servers for probes and actions to meet: one that answers, and one that never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec import Struct, structs

T = TypeVar("T", bound=Struct)


async def _serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.read(1):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def _be_mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def ports() -> AsyncIterator[dict[str, int]]:
    """Ports of the two (``ok`` and ``mute``); nothing of them is left afterwards."""
    serving: set[asyncio.Task[Any]] = set()

    def serve(handler: Any) -> Any:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.add(task)
            try:
                await handler(reader, writer)
            finally:
                serving.discard(task)
                writer.close()

        return handle

    ok = await asyncio.start_server(serve(_serve_http), "127.0.0.1", 0)
    mute = await asyncio.start_server(serve(_be_mute), "127.0.0.1", 0)
    try:
        yield {"ok": ok.sockets[0].getsockname()[1], "mute": mute.sockets[0].getsockname()[1]}
    finally:
        ok.close()
        mute.close()
        for task in list(serving):
            task.cancel()
        if serving:
            await asyncio.wait(list(serving))
        await asyncio.sleep(0.01)  # For the sockets to be closed by the loop.


def filled(spec: T, **places: object) -> T:
    """A spec with ``{ok}`` and the like in its texts replaced."""
    changed = {
        name: value.format(**places)
        for name, value in structs.asdict(spec).items()
        if isinstance(value, str)
    }
    return structs.replace(spec, **changed)
