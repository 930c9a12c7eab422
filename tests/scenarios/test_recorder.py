from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mendel.bus import Envelope, LocalBus
from mendel.bus.messages import AgentStarted, AnomalyCleared, Message, PauseTarget, Reading
from mendel.scenarios.recorder import FLUSH_S, Recorder
from mendel.scenarios.recording import (
    SCHEMA,
    Annotation,
    Event,
    Header,
    Record,
    Recording,
    RecordingWriter,
    Row,
)

HEADER = Header(schema=SCHEMA)


class Odd(Message, frozen=True, kw_only=True):
    anything: object = None


def a_reading(at_s: float = 1.5, target: str = "db") -> Reading:
    return Reading(
        target=target, metrics={"ok": 0.0}, taken_s=at_s, detail="HTTP 503", probe="http"
    )


def read(path: Path) -> list[Record]:
    with Recording(path) as recording:
        return list(recording)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl.gz"


def in_real_time(story: Callable[[], Awaitable[None]]) -> None:
    """For what needs a thread."""
    asyncio.run(asyncio.wait_for(story(), 10.0))


class TestWhatIsWritten:
    @pytest.mark.virtual_time
    async def test_readings_become_rows_and_all_else_events(self, path: Path) -> None:
        async with (
            LocalBus() as bus,
            Recorder(bus, RecordingWriter(path, HEADER), thread=False),
        ):
            await bus.publish(a_reading())
            cause = (await heard(bus, AgentStarted(agent="a", restarts=0, started_s=0.0)))[0]
            bus.publish(
                AnomalyCleared(target="db", metric="ok", cleared_s=2.0),
                cause=cause,
                sender="monitor",
            )

        assert read(path) == [
            Row(1.5, "db", {"ok": 0.0}, "http", "HTTP 503"),
            Event(0.0, "AgentStarted", {"agent": "a", "restarts": 0, "started_s": 0.0}, 2),
            Event(
                0.0,
                "AnomalyCleared",
                {"target": "db", "metric": "ok", "cleared_s": 2.0},
                3,
                2,
                "monitor",
            ),
        ]

    @pytest.mark.virtual_time
    async def test_an_event_becomes_the_message_that_was_sent(self, path: Path) -> None:
        wish = PauseTarget(target="*", duration_s=60.0, who="ann", reason="lunch")
        async with LocalBus() as bus, Recorder(bus, RecordingWriter(path, HEADER), thread=False):
            bus.publish(wish)

        [event] = read(path)
        assert isinstance(event, Event)
        assert event.message() == wish

    @pytest.mark.virtual_time
    async def test_a_message_json_cannot_express_is_counted(self, path: Path) -> None:
        async with LocalBus() as bus:
            recorder = Recorder(bus, RecordingWriter(path, HEADER), thread=False)
            async with recorder:
                bus.publish(Odd(anything=object()))
                bus.publish(a_reading())

        assert (recorder.records, recorder.refused) == (1, 1)
        assert len(read(path)) == 1


async def heard(bus: LocalBus, message: Message) -> list[Envelope]:
    """Send a message; its envelope as a tap hears it."""
    envelopes: list[Envelope] = []
    tap = bus.tap(envelopes.extend)
    bus.publish(message)
    tap.close()
    return envelopes


class TestCrash:
    @pytest.mark.virtual_time
    async def test_half_a_second_later_it_is_in_the_file(self, path: Path) -> None:
        async with LocalBus() as bus, Recorder(bus, RecordingWriter(path, HEADER), thread=False):
            bus.publish(a_reading())
            await asyncio.sleep(FLUSH_S + 0.01)  # Virtual.

            assert read(path) == [Row(1.5, "db", {"ok": 0.0}, "http", "HTTP 503")]

    def test_a_thread_writes_it_when_there_is_one(self, path: Path) -> None:
        threads: set[str] = set()

        class Watched(RecordingWriter):
            def flush(self) -> None:
                threads.add(threading.current_thread().name.split("_")[0])
                super().flush()

        async def story() -> None:
            async with LocalBus() as bus:
                recorder = Recorder(bus, Watched(path, HEADER))
                threads.clear()
                async with recorder:
                    for number in range(10_000):
                        bus.publish(a_reading(float(number)))

        in_real_time(story)

        assert [each.at_s for each in read(path)] == [float(number) for number in range(10_000)]
        assert threads == {"recorder"}


class TestSlowDisk:
    def test_what_comes_while_the_disk_is_busy_waits_for_it(self, path: Path) -> None:
        free = threading.Event()
        free.set()

        class Slow(RecordingWriter):
            def flush(self) -> None:
                assert free.wait(5.0)
                super().flush()

        async def story() -> None:
            async with LocalBus() as bus, Recorder(bus, Slow(path, HEADER)):
                free.clear()
                for number in range(3):
                    bus.publish(a_reading(float(number)))
                    await asyncio.sleep(1.1 * FLUSH_S)  # Of a thread's time, which is real.
                free.set()

        in_real_time(story)

        assert [each.at_s for each in read(path)] == [0.0, 1.0, 2.0]


class TestBounds:
    @pytest.mark.virtual_time
    async def test_what_is_too_much_is_left_out_and_said(self, path: Path) -> None:
        async with LocalBus() as bus:
            recorder = Recorder(
                bus, RecordingWriter(path, HEADER), thread=False, pending_bytes_max=50_000
            )
            async with recorder:
                for number in range(5_000):
                    bus.publish(a_reading(float(number)))

        found = read(path)
        assert recorder.dropped == 4_000
        assert len(found) == 1_001
        assert found[-1] == Annotation(
            at_s=0.0, kind="gap", text="4000 messages are missing here; the disk did not keep up"
        )

    @pytest.mark.virtual_time
    async def test_after_a_gap_it_goes_on(self, path: Path) -> None:
        async with LocalBus() as bus:
            recorder = Recorder(
                bus, RecordingWriter(path, HEADER), thread=False, pending_bytes_max=1
            )
            async with recorder:
                for number in range(2_000):
                    bus.publish(a_reading(float(number)))
                await asyncio.sleep(2 * FLUSH_S)
                bus.publish(a_reading(9_999.0))

        assert read(path)[-1].at_s == 9_999.0

    @pytest.mark.virtual_time
    async def test_a_disk_that_refuses_ends_recording_and_nothing_else(self, path: Path) -> None:
        failures: list[str] = []
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        got: list[Message] = []
        async with LocalBus() as bus:
            bus.subscribe("reading.>", lambda envelope: got.append(envelope.message))
            recorder = Recorder(
                bus,
                RecordingWriter(path, HEADER),
                thread=False,
                on_failure=lambda error: failures.append(error.reason),
            )
            async with recorder:
                resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
                try:
                    for number in range(3):
                        bus.publish(a_reading(float(number)))
                        await asyncio.sleep(2 * FLUSH_S)
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert failures == ["cannot be written: file too large"]
        assert len(got) == 3
        assert recorder.dropped == 2
