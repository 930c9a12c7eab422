"""Metrics and logs, sent by OTLP over HTTP through the SDK of OpenTelemetry.

Metrics are those of `Meters`, under the same names, so that dashboards do not care which way they
came. They are read in the loop and sent from a thread: the exporters of the SDK block. The thread
is a daemon, because a receiver that does not answer must not hold up the end of mendel.

The SDK is imported here and nowhere else; it comes with the extra ``otlp``.

Source:
    https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EnvironmentProblem
from ..world.secrets import resolve_all
from .config import OtlpConfig
from .logs import fields_of, text_of
from .meters import Meters

if TYPE_CHECKING:
    from prometheus_client import Metric

# The end of mendel takes two seconds at most; this is what is left of them for a last word.
CLOSE_S = 1.0
# Lines that wait to be sent; the SDK drops further ones and says so.
LINES_MAX = 2_048

_log = logging.getLogger("mendel.otlp")


def need_extra() -> None:
    """Refuse when the SDK is not installed.

    Raises:
        EnvironmentProblem: with the command that installs it.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk._logs  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            f"[otlp] needs a package that is not installed: {error.name}",
            "pip install 'mendel[otlp]', or leave the section out",
        ) from error


@asynccontextmanager
async def sent(
    config: OtlpConfig, meters: Meters, *, version: str, base: Path
) -> AsyncIterator[None]:
    """Send telemetry for as long as the context lasts, and what is left at its end.

    Args:
        config: where to.
        meters: what is sent.
        version: of mendel.
        base: folder that the paths of secrets start from.

    Raises:
        EnvironmentProblem: the extra is not installed, or a secret cannot be read.
    """
    need_extra()
    headers = resolve_all(config.headers, base)
    courier = await asyncio.to_thread(_Courier, config, headers, version)  # Imports for a second.
    handler = _Lines(courier)
    if config.logs:
        logging.getLogger("mendel").addHandler(handler)
    task = asyncio.create_task(_send(courier, config, meters), name="otlp")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        logging.getLogger("mendel").removeHandler(handler)
        last = meters.collect() if config.metrics else []
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await _aside(partial(courier.close, last))


async def _send(courier: _Courier, config: OtlpConfig, meters: Meters) -> None:
    while config.metrics:
        await asyncio.sleep(config.every_s)
        families = meters.collect()
        await _aside(partial(courier.send, families))


async def _aside(work: Callable[[], None]) -> None:
    """Do it in a thread that nobody waits for once nobody waits for this."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001  A border: telemetry never stops what it tells of.
            _log.exception("telemetry cannot be sent")
        with suppress(RuntimeError):  # The loop is closed: mendel has ended meanwhile.
            loop.call_soon_threadsafe(finish)

    threading.Thread(target=run, name="otlp", daemon=True).start()
    await done


class _Courier:
    """The exporters of the SDK; each of them keeps what it sends within its bounds."""

    def __init__(self, config: OtlpConfig, headers: Mapping[str, str], version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource

        self._resource = Resource.create(
            {
                "service.name": "mendel",
                "service.version": version,
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )
        self._version = version
        base, timeout_s = config.endpoint.rstrip("/"), config.timeout_s
        self._metrics = OTLPMetricExporter(
            endpoint=f"{base}/v1/metrics", headers=dict(headers), timeout=timeout_s
        )
        lines = OTLPLogExporter(
            endpoint=f"{base}/v1/logs", headers=dict(headers), timeout=timeout_s
        )
        self._provider = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(
                lines, schedule_delay_millis=config.every_s * 1e3, max_queue_size=LINES_MAX
            )
        )
        self._logger = self._provider.get_logger("mendel", version)

    def tell(self, record: logging.LogRecord) -> None:
        """Put a line among those that are to be sent."""
        from opentelemetry._logs import LogRecord, SeverityNumber

        self._logger.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                # Debug is 5, and a level is four numbers wide.
                severity_number=SeverityNumber(5 + 4 * (min(record.levelno, 50) // 10 - 1)),
                severity_text=record.levelname,
                body=text_of(record),
                attributes={
                    "logger": record.name,
                    **{f"mendel.{name}": value for name, value in fields_of(record).items()},
                },
            )
        )

    def send(self, families: Iterable[Metric]) -> None:
        """Send metrics; what cannot be sent is told by the SDK and given up."""
        from .points import metrics_data

        self._metrics.export(metrics_data(families, self._resource, self._version))

    def close(self, families: Sequence[Metric]) -> None:
        """Send what is left."""
        if families:
            self.send(families)
        self._provider.shutdown()
        self._metrics.shutdown()


class _Lines(logging.Handler):
    """Hands what mendel logs to the courier."""

    def __init__(self, courier: _Courier) -> None:
        super().__init__()
        self._courier = courier

    def emit(self, record: logging.LogRecord) -> None:
        self._courier.tell(record)
