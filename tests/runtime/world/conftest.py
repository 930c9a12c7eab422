"""Real processes, real sockets: what the tests of the world stand on."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from mendel.core.records import IntentRecord
from mendel.runtime.specs import ComponentSpec, ProcessSpec
from mendel.runtime.world import RealWorld

Until = Callable[..., Awaitable[None]]
Serve = Callable[..., Awaitable[int]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something outside is so, for a bounded time."""

    async def wait(holds: Callable[[], object], within_s: float = 5.0) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while not holds():
            assert loop.time() < deadline_s, f"not so within {within_s} s"
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server on a free port that does with each connection what the test says."""
    async with AsyncExitStack() as servers:

        async def start(handle: Handler) -> int:
            async def handle_and_close(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                try:
                    await handle(reader, writer)
                except ConnectionError:
                    pass
                finally:
                    writer.transport.abort()

            server = await asyncio.start_server(handle_and_close, "127.0.0.1", 0)
            servers.callback(server.close)
            return int(server.sockets[0].getsockname()[1])

        yield start


def answering(content: bytes) -> Handler:
    """Answer each request with these bytes, whatever it asks."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()

    return handle


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and never answer, until the other side gives up."""
    await reader.read()


@pytest.fixture
def http() -> Callable[..., Handler]:
    """Build an answer of HTTP."""

    def build(status: int = 200, body: bytes = b"fine", **headers: str) -> Handler:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return answering("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return build


@pytest.fixture
def silent() -> Handler:
    return silence


@pytest.fixture
def raw() -> Callable[[bytes], Handler]:
    return answering


@pytest.fixture
def no_descriptors() -> Callable[[], AbstractContextManager[None]]:
    """For the length of a ``with`` nobody here can open anything."""

    @contextmanager
    def exhausted() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return exhausted


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens to."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def an_intent() -> Callable[..., IntentRecord]:
    def build(target: str = "cart", action: str = "restart", **changes: object) -> IntentRecord:
        facts: dict[str, object] = {
            "intent": "intent-1",
            "incident": "incident-1",
            "target": target,
            "action": action,
            "attempt": 1,
            "timeout_s": 5.0,
            "at_s": 0.0,
        }
        return IntentRecord(**(facts | changes))  # type: ignore[arg-type]

    return build


@pytest.fixture
def a_world(tmp_path: Path) -> Callable[..., RealWorld]:
    """Make a world with its state in the test's own folder."""

    def build(*specs: ComponentSpec) -> RealWorld:
        return RealWorld(specs, state=tmp_path / ".mendel", base=tmp_path)

    return build


@pytest.fixture
def a_service() -> Callable[..., ComponentSpec]:
    """Make a component that is a process of ours, by default one that only sleeps."""

    def build(
        name: str = "cart", *command: str, depends_on: tuple[str, ...] = (), **settings: object
    ) -> ComponentSpec:
        process = ProcessSpec(exec=command or ("sleep", "600"), **settings)  # type: ignore[arg-type]
        return ComponentSpec(name=name, process=process, depends_on=depends_on)

    return build


@pytest.fixture
def living() -> Iterator[Callable[[str], list[int]]]:
    """Find living processes by a word of their command; what is left at the end is killed."""
    words: list[str] = []

    def find(word: str) -> list[int]:
        words.append(word)
        return _find(word)

    yield find
    for word in words:
        for pid in _find(word):
            os.kill(pid, signal.SIGKILL)


def _find(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and word in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
