"""The small HTTP of the demo: whole requests, bounded, and failures as values."""

import asyncio

import pytest
from mendel.runtime.demo import wire
from mendel.runtime.demo.wire import HttpServer, Reply, Request, call


async def echo(request: Request) -> Reply:
    return Reply(200, {"method": request.method, "path": request.path, "body": len(request.body)})


async def say_raw(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(wire.HOST, port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


class TestServer:
    async def test_it_answers_what_was_asked(self) -> None:
        server = HttpServer(echo)
        await server.open()

        reply = await call(
            f"http://127.0.0.1:{server.port}/circuit", method="POST", body={"a": 1}, timeout_s=2.0
        )

        assert reply == Reply(200, {"method": "POST", "path": "/circuit", "body": 7})
        server.close()

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"hello\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        ],
    )
    async def test_what_is_no_request_is_refused_and_does_not_end_it(self, nonsense: bytes) -> None:
        server = HttpServer(echo)
        await server.open()

        refusal = await say_raw(server.port, nonsense)
        afterwards = await call(f"http://127.0.0.1:{server.port}/", timeout_s=2.0)

        assert refusal.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert afterwards.status == 200
        server.close()

    async def test_a_client_that_leaves_in_the_middle_does_not_end_it(self) -> None:
        server = HttpServer(echo)
        await server.open()

        answer = await say_raw(server.port, b"GET / HTTP/1.1\r\nContent-Le")
        afterwards = await call(f"http://127.0.0.1:{server.port}/", timeout_s=2.0)

        assert answer == b""
        assert afterwards.status == 200
        server.close()

    async def test_a_handler_that_raises_is_a_500_and_counted(self) -> None:
        async def broken(request: Request) -> Reply:
            raise KeyError("db")

        server = HttpServer(broken)
        await server.open()

        reply = await call(f"http://127.0.0.1:{server.port}/", timeout_s=2.0)

        assert reply == Reply(500, {"error": "KeyError: 'db'"})
        assert server.failures == 1
        server.close()

    async def test_it_stops_listening_and_listens_again_on_the_same_port(self) -> None:
        server = HttpServer(echo)
        await server.open()
        port, url = server.port, f"http://127.0.0.1:{server.port}/"

        server.close()
        while_closed = await call(url, timeout_s=2.0)
        await server.open()
        reopened = await call(url, timeout_s=2.0)

        assert while_closed == Reply(0, detail="connection refused")
        assert (reopened.status, server.port, server.is_open) == (200, port, True)
        server.close()

    async def test_more_connections_than_it_has_room_for_are_cut_and_counted(self) -> None:
        gate = asyncio.Event()

        async def wait(request: Request) -> Reply:
            await gate.wait()
            return Reply(200)

        server = HttpServer(wait, connections_max=2)
        await server.open()
        url = f"http://127.0.0.1:{server.port}/"
        asked = [asyncio.create_task(call(url, timeout_s=5.0)) for _ in range(3)]

        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        gate.set()
        replies = await asyncio.gather(*asked)

        assert len(done) == 1
        assert sorted(reply.status for reply in replies) == [0, 200, 200]
        assert server.refused == 1
        server.close()


class TestCall:
    async def test_nobody_answering_in_time_is_a_value(self) -> None:
        async def never(request: Request) -> Reply:
            await asyncio.Event().wait()
            return Reply(200)

        server = HttpServer(never)
        await server.open()

        reply = await call(f"http://127.0.0.1:{server.port}/", timeout_s=0.05)

        assert reply == Reply(0, detail="no answer within 0.05 s")
        server.close()

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 two hundred\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        ],
    )
    async def test_an_answer_that_makes_no_sense_is_a_value(self, answer: bytes) -> None:
        async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(mumble, wire.HOST, 0)
        port = server.sockets[0].getsockname()[1]

        reply = await call(f"http://127.0.0.1:{port}/", timeout_s=2.0)

        assert reply.status == 0
        assert reply.detail.startswith("no usable answer: ")
        server.close()
