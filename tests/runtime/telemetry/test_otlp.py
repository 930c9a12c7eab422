"""What a receiver of OTLP gets from a runtime, over HTTP, as protobuf."""

from __future__ import annotations

import asyncio
import gzip
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from mendel.bus.messages import ActionFinished, AnomalyDetected, IncidentClosed, IncidentOpened
from mendel.errors import EnvironmentProblem
from mendel.runtime.cli import main
from mendel.runtime.launch import launch

pytest.importorskip("opentelemetry.sdk", reason="needs the extra otlp")

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

CONFIG = """\
[runtime]
log_level = "info"

[otlp]
endpoint = "{url}"
every = "100ms"
headers = {{ Authorization = {{ env = "OTLP_TOKEN" }} }}
{more}

[[components]]
name = "cart"
kind = "api"
probes = [{{ heartbeat = "60s" }}]
"""

KINDS: dict[str, Callable[[], Any]] = {
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Receiver:
    """A receiver as OpenTelemetry's protocol has it; it keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.tokens: set[str] = set()
        self.url = ""
        self.status = 200

    async def take(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        message = KINDS[request.path]()
        message.ParseFromString(body)
        self.requests.append(message)
        return web.Response(status=self.status, content_type="application/x-protobuf")

    @property
    def metrics(self) -> dict[str, Any]:
        """The newest of each name."""
        return {
            metric.name: metric
            for request in self.requests
            if isinstance(request, ExportMetricsServiceRequest)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    @property
    def lines(self) -> list[dict[str, str]]:
        """All log lines, text and attributes together."""
        return [
            {"text": record.body.string_value, "level": record.severity_text}
            | {each.key: each.value.string_value for each in record.attributes}
            for request in self.requests
            if isinstance(request, ExportLogsServiceRequest)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("OTLP_TOKEN", "Bearer let-me-in")
    taken = Receiver()
    app = web.Application()
    for path in KINDS:
        app.router.add_post(path, taken.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield taken
    await runner.cleanup()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="mendel")


def written(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "mendel.toml"
    path.write_text(CONFIG.format(url=url, more=more))
    return path


async def test_metrics_and_lines_arrive_as_other_programs_expect_them(
    tmp_path: Path, receiver: Receiver, logged: None
) -> None:
    async with launch(written(tmp_path, receiver.url)) as system:
        for incident in ("7-1", "7-2"):
            await system.bus.publish(
                IncidentOpened(target="cart", incident=incident, onset_s=1.0, opened_s=1.7)
            )
        await system.bus.publish(
            ActionFinished(
                target="cart",
                intent="i",
                incident="7-2",
                action="restart",
                outcome="failed",
                detail="the header was Bearer let-me-in",
                duration_s=0.3,
                finished_s=2.0,
            )
        )
        await receiver.until(lambda: len(receiver.lines) >= 3)
        await receiver.until(
            lambda: "mendel_actions" in receiver.metrics and len(receiver.metrics) > 10
        )

    found = receiver.metrics
    opened = found["mendel_incidents_opened"].sum
    assert opened.is_monotonic
    assert opened.data_points[0].as_double == 2.0
    assert 0 < opened.data_points[0].start_time_unix_nano <= time.time_ns()
    (target,) = opened.data_points[0].attributes
    assert (target.key, target.value.string_value) == ("target", "cart")
    detection = found["mendel_incident_detection_seconds"]
    assert detection.unit == "s"
    (point,) = detection.histogram.data_points
    assert point.count == 2
    assert point.sum == pytest.approx(1.4)
    counts = dict(zip([*point.explicit_bounds, "above"], point.bucket_counts, strict=True))
    assert {bound: count for bound, count in counts.items() if count} == {1.0: 2}
    assert found["mendel_component_health"].gauge.data_points
    assert found["process_resident_memory_bytes"].unit == "By"

    lines = {each["text"]: each for each in receiver.lines}
    assert lines["cart: incident 7-1 opened"]["mendel.incident"] == "7-1"
    assert lines["cart: incident 7-1 opened"]["mendel.event"] == "IncidentOpened"
    failed = next(each for text, each in lines.items() if "restart failed" in text)
    assert failed["mendel.incident"] == "7-2"
    assert "let-me-in" not in str(receiver.lines)
    assert receiver.tokens == {"Bearer let-me-in"}


async def test_who_is_told_of_is_named(tmp_path: Path, receiver: Receiver) -> None:
    async with launch(written(tmp_path, receiver.url, "logs = false")):
        await receiver.until(lambda: receiver.metrics)

    (resource,) = receiver.requests[-1].resource_metrics
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert named["service.name"] == "mendel"
    assert named["service.version"].count(".") == 2
    assert named["service.instance.id"]


async def test_what_is_left_is_sent_at_the_end(
    tmp_path: Path, receiver: Receiver, logged: None
) -> None:
    config = written(tmp_path, receiver.url)
    config.write_text(config.read_text().replace("100ms", "1h"))
    async with launch(config) as system:
        await system.bus.publish(
            IncidentOpened(target="cart", incident="7-1", onset_s=1.0, opened_s=1.7)
        )
        await system.bus.publish(
            IncidentClosed(
                target="cart",
                incident="7-1",
                outcome="cleared",
                actions=(),
                onset_s=1.0,
                opened_s=1.7,
                closed_s=3.0,
            )
        )
        await asyncio.sleep(0)

    assert "mendel_incidents_closed" in receiver.metrics
    assert [each["mendel.event"] for each in receiver.lines if "mendel.event" in each][:2] == [
        "IncidentOpened",
        "IncidentClosed",
    ]


async def test_only_what_is_asked_for_is_sent(
    tmp_path: Path, receiver: Receiver, logged: None
) -> None:
    async with launch(written(tmp_path, receiver.url, "metrics = false")) as system:
        await system.bus.publish(
            AnomalyDetected(
                target="cart",
                metric="ok",
                value=0.0,
                score=2.0,
                onset_s=1.0,
                detected_s=2.0,
                reason="odd",
            )
        )
        await receiver.until(lambda: receiver.lines)

    assert {type(each) for each in receiver.requests} == {ExportLogsServiceRequest}


@pytest.mark.parametrize("trouble", ["refuses", "nobody"])
async def test_a_receiver_that_does_not_take_it_holds_nobody_up(
    tmp_path: Path, receiver: Receiver, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 503
    url = receiver.url if trouble == "refuses" else "http://127.0.0.1:9"
    async with launch(written(tmp_path, url, 'timeout = "300ms"')) as system:
        await system.bus.publish(
            IncidentOpened(target="cart", incident="7-1", onset_s=1.0, opened_s=1.7)
        )
        await receiver.until(lambda: "export" in caplog.text)
        began_s = time.monotonic()

    assert time.monotonic() - began_s < 2.0


async def test_without_the_extra_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk._logs", None)

    with pytest.raises(EnvironmentProblem, match=r"pip install 'mendel\[otlp\]'"):
        async with launch(written(tmp_path, receiver.url)):
            pass


def test_a_section_that_sends_nothing_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP_TOKEN", "x" * 8)
    path = written(tmp_path, "http://127.0.0.1:4318", "metrics = false\nlogs = false")

    assert main(["check", str(path)]) == 3
    assert "neither metrics nor logs are sent" in capsys.readouterr().err
