from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from mendel.runtime.store import Store


async def test_a_close_that_is_cancelled_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = await Store(tmp_path / "store.db").__aenter__()
    started = set(threading.enumerate()) - before
    # Those of the loop's own pool end with the loop.
    threads = [thread for thread in started if not thread.name.startswith("asyncio_")]
    assert threads

    closing = asyncio.create_task(store.close())
    asyncio.get_running_loop().call_soon(closing.cancel)  # After its first step.
    with pytest.raises(asyncio.CancelledError):
        await closing

    for thread in threads:
        thread.join(5.0)
    assert [thread for thread in threads if thread.is_alive()] == []
