"""Users come at their own pace, and what they get is counted."""

import asyncio

import pytest
from mendel.runtime.demo.traffic import Traffic
from mendel.runtime.demo.wire import HttpServer, Reply, Request


async def run_against(replies: list[Reply]) -> Traffic:
    """Send until every reply has been given, then stop."""
    left = list(replies)
    served = asyncio.Event()

    async def answer(request: Request) -> Reply:
        if not left:
            served.set()
            await asyncio.Event().wait()
        return left.pop(0)

    server = HttpServer(answer)
    await server.open()
    traffic = Traffic(f"http://127.0.0.1:{server.port}/", requests_per_s=200.0)
    sending = asyncio.create_task(traffic.run())
    await asyncio.wait_for(served.wait(), 5.0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    server.close()
    return traffic


async def test_answers_are_counted_by_what_they_are_worth_to_a_user() -> None:
    full, part, error = Reply(200, {}), Reply(200, {"degraded": ["db"]}), Reply(503)

    traffic = await run_against([full, full, full, part, error])

    assert (traffic.served, traffic.degraded, traffic.failed) == (3, 1, 1)
    assert traffic.availability == 0.8


async def test_before_the_first_answer_nothing_is_known() -> None:
    assert Traffic("http://127.0.0.1:9/").availability is None


async def test_users_keep_coming_while_nobody_is_answered_up_to_a_bound() -> None:
    arrived = 0

    async def never(request: Request) -> Reply:
        nonlocal arrived
        arrived += 1
        await asyncio.Event().wait()
        return Reply(200)

    server = HttpServer(never)
    await server.open()
    url = f"http://127.0.0.1:{server.port}/"
    traffic = Traffic(url, requests_per_s=200.0, in_flight_max=3)
    sending = asyncio.create_task(traffic.run())
    async with asyncio.timeout(5.0):
        while arrived < 3 or traffic.failed < 5:
            await asyncio.sleep(0.005)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    assert arrived == 3
    assert traffic.availability == 0.0
    server.close()
