"""Several calls for one answer."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_success(tasks: list[asyncio.Future[Any]]) -> asyncio.Future[Any]:
    """Wait for a task that succeeds; if none does, the first one that ended."""
    pending = set(tasks)
    ended: list[asyncio.Future[Any]] = []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in (each for each in tasks if each in done):
            if not task.cancelled() and task.exception() is None:
                return task
            ended.append(task)
    return ended[0]
