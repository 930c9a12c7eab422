import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mendel.agents.ports import Sample
from mendel.errors import NoData
from mendel.runtime.specs import ProbeSpec, Secret
from mendel.runtime.world.http import BODY_BYTES, HttpClient, check_url, explain
from mendel.runtime.world.probes import HttpProbe

Make = Callable[..., Any]  # A fixture that makes what a test needs.

Look = Callable[..., object]


@pytest.fixture
async def look(tmp_path: Path) -> AsyncIterator[Look]:
    """Look at a URL once."""
    client = HttpClient(requests=4)
    client.open()

    async def once(url: str, **settings: object) -> Sample:
        spec = ProbeSpec(http=url, **settings)  # type: ignore[arg-type]
        return await HttpProbe("cart", "http", spec, client=client, base=tmp_path).read()

    yield once
    await client.close()


def told(sample: Sample) -> tuple[dict[str, float], str]:
    """All but the latency, which differs from run to run."""
    metrics = {name: value for name, value in sample.metrics.items() if name != "latency_s"}
    return metrics, sample.detail


HEARD = {"reachable": 1.0, "answered": 1.0}
DEAF = {"reachable": 1.0, "answered": 0.0, "ok": 0.0}


class TestAnswers:
    async def test_a_good_answer_is_ok_and_has_a_latency(
        self, look: Make, serve: Make, http: Make
    ) -> None:
        sample = await look(f"http://127.0.0.1:{await serve(http(200))}/health")

        assert told(sample) == (HEARD | {"ok": 1.0}, "")
        assert 0.0 < sample.metrics["latency_s"] < 0.8

    async def test_a_bad_status_is_answered_but_not_ok(
        self, look: Make, serve: Make, http: Make
    ) -> None:
        sample = await look(f"http://127.0.0.1:{await serve(http(503))}/")

        assert told(sample) == (HEARD | {"ok": 0.0}, "HTTP 503")
        assert "latency_s" in sample.metrics

    async def test_the_configured_statuses_count_instead_of_the_usual_ones(
        self, look: Make, serve: Make, http: Make
    ) -> None:
        port = await serve(http(404))

        assert (await look(f"http://127.0.0.1:{port}/", status=(404,))).metrics["ok"] == 1.0

    async def test_a_redirect_is_an_answer_and_is_not_followed(
        self, look: Make, serve: Make, http: Make
    ) -> None:
        port = await serve(http(302, Location="http://127.0.0.1:1/trap"))

        assert told(await look(f"http://127.0.0.1:{port}/")) == (HEARD | {"ok": 1.0}, "")

    async def test_the_body_must_match(self, look: Make, serve: Make, http: Make) -> None:
        port = await serve(http(200, b'{"status": "degraded"}'))
        url = f"http://127.0.0.1:{port}/"

        assert (await look(url, match='"status": "(up|degraded)"')).metrics["ok"] == 1.0
        assert told(await look(url, match='"up"')) == (
            HEARD | {"ok": 0.0},
            "body does not match '\"up\"'",
        )

    async def test_of_a_huge_body_only_the_first_part_is_read(
        self, look: Make, serve: Make, raw: Make
    ) -> None:
        sent = 0

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 65_536)
                sent += 65_536
                await writer.drain()

        port = await serve(endless)

        sample = await look(f"http://127.0.0.1:{port}/", match="end", timeout_s=5.0)

        assert told(sample) == (
            HEARD | {"ok": 0.0},
            f"body does not match 'end' in its first {BODY_BYTES} bytes",
        )
        assert sent < 50_000_000  # What the buffers of two sockets hold, not an endless body.

    async def test_headers_are_sent_and_their_secrets_resolved_each_time(
        self, look: Make, serve: Make, tmp_path: Path
    ) -> None:
        seen: list[bytes] = []

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            seen.extend(line for line in head.split(b"\r\n") if line.startswith(b"X-Token"))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

        url = f"http://127.0.0.1:{await serve(note)}/"
        for token in ("first", "second"):
            (tmp_path / "token").write_text(f"{token}\n")
            await look(url, headers={"X-Token": Secret(file="token")})

        assert seen == [b"X-Token: first", b"X-Token: second"]


class TestSilence:
    async def test_a_closed_port_is_not_reachable(self, look: Make, free_port: int) -> None:
        assert told(await look(f"http://127.0.0.1:{free_port}/")) == (
            {"reachable": 0.0, "answered": 0.0, "ok": 0.0},
            "connection refused",
        )

    async def test_a_closed_port_of_a_name_with_several_addresses_is_wordsso(
        self, look: Make, free_port: int
    ) -> None:
        assert (await look(f"http://localhost:{free_port}/")).detail == "connection refused"

    async def test_a_server_that_accepts_and_never_answers_is_reachable_and_silent(
        self, look: Make, serve: Make, silent: Make
    ) -> None:
        port = await serve(silent)

        sample = await look(f"http://127.0.0.1:{port}/", timeout_s=0.05)

        assert told(sample) == (DEAF, "no answer within 0.05 s")
        assert "latency_s" not in sample.metrics

    async def test_a_body_that_does_not_end_in_time_is_no_answer(
        self, look: Make, serve: Make
    ) -> None:
        async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            await reader.read()
            await reader.read()

        sample = await look(f"http://127.0.0.1:{await serve(dribble)}/", timeout_s=0.05)

        assert told(sample)[0] == DEAF

    async def test_when_connecting_takes_too_long_reachability_is_unknown(self, look: Make) -> None:
        # A listener whose queue is full: the system drops what else knocks.
        import socket

        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for knocking in (first, second):
                knocking.setblocking(False)
                knocking.connect_ex(listener.getsockname())
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

            sample = await look(url, timeout_s=0.05)

        assert told(sample) == ({"answered": 0.0, "ok": 0.0}, "no connection within 0.05 s")

    async def test_a_connection_that_breaks_is_told(
        self, look: Make, serve: Make, raw: Make
    ) -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")

        broken_off = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        nonsense = raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        details = [
            told(await look(f"http://127.0.0.1:{await serve(handler)}/"))
            for handler in (hang_up, broken_off, nonsense)
        ]

        assert [metrics for metrics, _ in details] == [DEAF] * 3
        assert details[1][1] in ("the answer broke off", "connection reset by peer")
        assert details[2][1] == "the answer is not HTTP"

    async def test_a_name_that_does_not_resolve_is_told(self, look: Make) -> None:
        sample = await look("http://no-such-host.invalid/", timeout_s=5.0)

        assert told(sample) == (
            {"reachable": 0.0, "answered": 0.0, "ok": 0.0},
            "DNS: the name of the host does not resolve",
        )

    async def test_a_server_without_tls_is_told(self, look: Make, serve: Make) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ready\r\n")
            await reader.read()

        sample = await look(f"https://127.0.0.1:{await serve(greet)}/", timeout_s=5.0)

        assert told(sample)[0] == DEAF
        assert sample.detail.startswith("TLS: ")

    async def test_a_certificate_that_nobody_signed_is_told(
        self, look: Make, tls_port: int
    ) -> None:
        sample = await look(f"https://127.0.0.1:{tls_port}/", timeout_s=5.0)

        assert told(sample) == (DEAF, "TLS: self-signed certificate")


class TestNoData:
    async def test_a_missing_secret_is_no_data(
        self, look: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TOKEN_OF_TEST", raising=False)

        with pytest.raises(NoData, match="'X': environment variable 'TOKEN_OF_TEST' is not set"):
            await look("http://127.0.0.1:1/", headers={"X": Secret(env="TOKEN_OF_TEST")})

    async def test_a_secret_that_is_no_header_is_not_shown(
        self, look: Make, serve: Make, http: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_OF_TEST", "s3cr3t\r\nX: y")

        url = f"http://127.0.0.1:{await serve(http())}/"

        sample = await look(url, headers={"X": Secret(env="TOKEN_OF_TEST")})

        assert sample.detail == "the request could not be sent (ValueError)"
        assert "reachable" not in sample.metrics

    async def test_a_cancelled_look_ends_at_once(
        self, look: Make, serve: Make, silent: Make
    ) -> None:
        looking = asyncio.ensure_future(
            look(f"http://127.0.0.1:{await serve(silent)}/", timeout_s=60.0)
        )
        looking.get_loop().call_later(0.02, looking.cancel)

        with pytest.raises(asyncio.CancelledError):
            await looking


def test_errors_of_the_client_become_words_without_addresses() -> None:
    from aiohttp.client_reqrep import ConnectionKey

    key = ConnectionKey("secret.example", 443, True, True, None, None, None)
    words = [
        explain(aiohttp.ClientConnectorError(key, OSError(113, "x"))),
        explain(aiohttp.ClientConnectorCertificateError(key, ssl.SSLError(1, "s3cr3t"))),
        explain(aiohttp.ServerDisconnectedError()),
        explain(aiohttp.InvalidURL("http://user:password@host")),
    ]

    assert words == [
        (False, "no route to host"),
        (True, "TLS: the handshake failed"),
        (True, "connection closed before an answer"),
        (None, "the request could not be sent (InvalidURL)"),
    ]


def test_a_url_with_a_password_is_not_shown_when_it_is_wrong() -> None:
    with pytest.raises(ValueError, match="not a URL") as caught:
        check_url("htp://user:pa55word@host", "probe")

    assert "pa55word" not in str(caught.value)


@pytest.fixture
async def tls_port(tmp_path: Path) -> AsyncIterator[int]:
    """A server whose certificate it has signed itself."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
