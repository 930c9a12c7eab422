"""The clock jumps, exactly; what would wait for the real world is told so."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import IO

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.errors import Deadlock, VirtualTimeError
from mendel.scenarios.virtual_time import VirtualTimeLoop, run, settle

YEAR_S = 365.25 * 86_400.0


def now_s() -> float:
    return asyncio.get_running_loop().time()


class TestClock:
    def test_starts_at_zero_and_a_year_takes_no_time(self) -> None:
        async def main() -> tuple[float, float]:
            started_s = now_s()
            await asyncio.sleep(YEAR_S)
            return started_s, now_s()

        began = time.perf_counter()

        assert run(main()) == (0.0, YEAR_S)
        assert time.perf_counter() - began < 5.0

    def test_timers_fire_in_the_order_they_are_due_whoever_set_them_first(self) -> None:
        async def main() -> list[tuple[str, float]]:
            fired: list[tuple[str, float]] = []
            loop = asyncio.get_running_loop()

            def fire(name: str) -> None:
                fired.append((name, now_s()))

            for name, due_s in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
                loop.call_at(due_s, fire, name)
            loop.call_at(2.5, fired.clear).cancel()
            await asyncio.sleep(10.0)
            return fired

        assert run(main()) == [("early", 1.0), ("middle", 2.0), ("late", 3.0)]

    @given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), max_size=30))
    def test_timers_of_the_same_moment_fire_in_the_order_in_which_they_were_set(
        self, dues_s: list[float]
    ) -> None:
        async def main() -> list[tuple[float, int]]:
            fired: list[tuple[float, int]] = []
            loop = asyncio.get_running_loop()
            for number, due_s in enumerate(dues_s):
                loop.call_at(due_s, fired.append, (due_s, number))
            await asyncio.sleep(10.0)
            return fired

        assert run(main()) == sorted((due_s, number) for number, due_s in enumerate(dues_s))

    @given(st.lists(st.floats(0.0, 1e12), min_size=1, max_size=20))
    def test_every_timer_fires_exactly_when_it_is_due(self, dues_s: list[float]) -> None:
        async def main() -> list[float]:
            fired: list[float] = []
            loop = asyncio.get_running_loop()
            for due_s in dues_s:
                loop.call_at(due_s, lambda: fired.append(loop.time()))
            await asyncio.sleep(1.1e12)
            return fired

        assert run(main()) == sorted(dues_s)

    def test_the_clock_stands_still_while_there_is_work(self) -> None:
        async def main() -> list[float]:
            timer = asyncio.create_task(asyncio.sleep(0.001))
            seen = []
            for _ in range(100):
                await asyncio.sleep(0)
                seen.append(now_s())
            await timer
            return [*seen, now_s()]

        assert run(main()) == [0.0] * 100 + [0.001]

    def test_timeouts_of_asyncio_and_anyio_use_it(self) -> None:
        async def main() -> tuple[float, float]:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60.0):
                    await asyncio.Event().wait()
            after_asyncio_s = now_s()
            with anyio.move_on_after(30.0) as scope:
                await anyio.sleep_forever()
            assert scope.cancelled_caught
            return after_asyncio_s, anyio.current_time()

        assert run(main()) == (60.0, 90.0)

    def test_anyio_runs_on_it(self) -> None:
        async def main() -> float:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 1800.0)
                group.start_soon(anyio.sleep, 3600.0)
            return anyio.current_time()

        assert anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop}) == 3600.0

    def test_an_error_of_the_coroutine_comes_out(self) -> None:
        async def main() -> None:
            await asyncio.sleep(1.0)
            raise LookupError("nothing here")

        with pytest.raises(LookupError, match="nothing here"):
            run(main())


class TestSettle:
    def test_waits_for_all_that_can_happen_now_and_not_for_timers(self) -> None:
        async def main() -> tuple[list[int], float]:
            done: list[int] = []

            async def chain(length: int) -> None:
                for _ in range(length):
                    await asyncio.sleep(0)
                done.append(length)
                await asyncio.sleep(5.0)
                done.append(-length)

            tasks = [asyncio.create_task(chain(length)) for length in (50, 3)]
            await settle()
            seen, at_s = list(done), now_s()
            await asyncio.gather(*tasks)
            return seen, at_s

        assert run(main()) == ([3, 50], 0.0)

    def test_waiters_come_in_turn_and_a_cancelled_one_is_passed_over(self) -> None:
        async def main() -> list[str]:
            order: list[str] = []

            async def waiter(name: str) -> None:
                await settle()
                order.append(name)

            first, gone, last = (asyncio.create_task(waiter(name)) for name in "abc")
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([first, gone, last])
            return order

        assert run(main()) == ["a", "c"]

    def test_says_where_it_does_not_work(self) -> None:
        with pytest.raises(VirtualTimeError, match=r"settle\(\) needs a VirtualTimeLoop"):
            asyncio.run(settle())


class TestDeadlock:
    def test_lists_who_waits_where_and_for_what(self) -> None:
        async def consumer(queue: asyncio.Queue[int]) -> None:
            await queue.get()

        async def main() -> None:
            await asyncio.sleep(12.5)
            waiting = asyncio.create_task(consumer(asyncio.Queue()), name="consumer")
            await waiting

        with pytest.raises(Deadlock, match=r"deadlock at 12\.5 s: nothing is ready") as caught:
            run(main())

        main_line, consumer_line = caught.value.waiting
        assert caught.value.now_s == 12.5
        assert "'consumer' waits in" in consumer_line
        assert ".consumer (test_virtual_time.py:" in consumer_line
        assert "> Queue.get (queues.py:" in consumer_line
        assert main_line.endswith("for task 'consumer'")
        assert consumer_line in str(caught.value)

    def test_sees_into_generators(self) -> None:
        class Gate:
            def __await__(self) -> Generator[object, None, None]:
                yield from asyncio.Event().wait().__await__()

        async def numbers() -> AsyncIterator[int]:
            await Gate()
            yield 1

        async def main() -> None:
            async for _ in numbers():
                pass

        with pytest.raises(Deadlock) as caught:
            run(main())

        assert ".numbers (" in str(caught.value)
        assert "Gate.__await__ (" in str(caught.value)

    def test_a_silent_socket_is_not_waited_for_forever(self) -> None:
        async def main() -> None:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                await asyncio.get_running_loop().sock_recv(ours, 1)

        began = time.perf_counter()

        with pytest.raises(Deadlock, match=r"1 descriptor\(s\) were silent for 1 s"):
            run(main())
        assert time.perf_counter() - began < 5.0


class TestWorldOutside:
    def test_sockets_within_the_loop_work(self) -> None:
        async def main() -> tuple[bytes, float]:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                request = await reader.readline()
                await asyncio.sleep(7.0)
                writer.write(request.upper())
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\n")
                answered = await reader.read()
                writer.close()
                await writer.wait_closed()
            return answered, now_s()

        assert run(main()) == (b"HELLO\n", 7.0)

    def test_bytes_from_outside_arrive_when_there_is_nothing_else_to_do(self) -> None:
        async def main(pipe: IO[bytes]) -> tuple[bytes, float]:
            reader = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            line = await reader.readline()
            transport.close()
            return line, now_s()

        with subprocess.Popen(["sh", "-c", "sleep 0.05; echo hi"], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert run(main(child.stdout)) == (b"hi\n", 0.0)

    @pytest.mark.parametrize(
        ("outside", "named"),
        [
            (lambda: asyncio.to_thread(sum, [1]), r"a thread \(for .*sum.*\)"),
            (lambda: anyio.to_thread.run_sync(time.sleep, 0.2), r"'AnyIO worker thread'"),
            (lambda: asyncio.create_subprocess_exec("true"), "a child process"),
            (lambda: asyncio.create_subprocess_shell("true"), "a child process"),
        ],
        ids=["executor", "anyio thread", "process", "shell"],
    )
    def test_threads_and_processes_are_refused(
        self, outside: Callable[[], Awaitable[object]], named: str
    ) -> None:
        async def main() -> None:
            with anyio.fail_after(60.0):
                await outside()

        with pytest.raises(VirtualTimeError, match=named):
            run(main())
