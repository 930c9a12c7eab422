"""Probes that ask a component: by HTTP, by TCP, by a command, or by waiting for its heartbeat.

What fails to answer is a sample. Only what keeps us from asking at all (a command that is not
installed, a secret that is not set, a heartbeat that did not come) is `NoData`, which neither says
that the component is up nor that it is down.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...agents.ports import Sample
from ...errors import ConfigError, EnvironmentProblem, NoData
from ..specs import ProbeSpec
from .command import run_command
from .http import BODY_BYTES, Answer, HttpClient, check_url, os_words
from .secrets import resolve_all
from .shortage import OUR_ERRORS

# More than any health page has; a component that reports more loses the rest.
METRICS = 64
_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class Schedule:
    """What all probes have in common: whom they look at, and when.

    Attributes:
        target: what is looked at.
        name: unique among the probes of the target.
        every_s: time between two looks.
        timeout_s: how long one look may take.
    """

    def __init__(self, target: str, name: str, spec: ProbeSpec) -> None:
        self.target = target
        self.name = name
        self.every_s = spec.every_s
        self.timeout_s = spec.timeout_s


class HttpProbe(Schedule):
    """Gets a page.

    Metrics: ``reachable``, ``answered``, ``ok``; ``latency_s`` when it answered. When not even a
    connection was made in time, ``reachable`` is absent: it may be the network, or the component.
    """

    def __init__(
        self, target: str, name: str, spec: ProbeSpec, *, client: HttpClient, base: Path
    ) -> None:
        super().__init__(target, name, spec)
        self._url = check_url(spec.http or "", f"{name} probe of {target!r}")
        self._spec = spec
        self._client = client
        self._base = base
        try:
            self._match = re.compile(spec.match.encode()) if spec.match else None
        except re.error as error:
            raise ConfigError(
                f"{name} probe of {target!r}: {spec.match!r} is not a regular expression: {error}"
            ) from None

    async def read(self) -> Sample:
        """Get the page once.

        Raises:
            NoData: a secret for its headers is missing, or something has run short on our side.
        """
        try:
            headers = resolve_all(self._spec.headers, self._base)
        except EnvironmentProblem as problem:
            raise NoData(str(problem)) from None
        answer = await self._client.ask("GET", self._url, timeout_s=self.timeout_s, headers=headers)
        return self._judge(answer)

    def _judge(self, answer: Answer) -> Sample:
        metrics: dict[str, float] = {"answered": float(answer.status > 0), "ok": 0.0}
        if answer.reachable is not None:
            metrics["reachable"] = float(answer.reachable)
        if not answer.status:
            return Sample(metrics, answer.detail)
        metrics["latency_s"] = answer.latency_s
        if not self._is_fine(answer.status):
            return Sample(metrics, answer.detail)
        if self._match is not None and not self._match.search(answer.body):
            part = f" in its first {BODY_BYTES} bytes" if answer.is_cut else ""
            return Sample(metrics, f"body does not match {self._spec.match!r}{part}")
        metrics["ok"] = 1.0
        return Sample(metrics)

    def _is_fine(self, status: int) -> bool:
        return status in self._spec.status if self._spec.status else 200 <= status < 400


class TcpProbe(Schedule):
    """Connects to a port, and closes the connection.

    Metrics: ``reachable`` (absent when connecting took too long), ``answered``, and ``latency_s``
    when it connected. The system connects on behalf of a hung process until its queue is full.
    """

    def __init__(self, target: str, name: str, spec: ProbeSpec) -> None:
        super().__init__(target, name, spec)
        host, _, port = (spec.tcp or "").rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ConfigError(f"{name} probe of {target!r}: {spec.tcp!r} is not HOST:PORT")
        self._host, self._port = host.removeprefix("[").removesuffix("]"), int(port)

    async def read(self) -> Sample:
        """Connect once.

        Raises:
            NoData: something has run short on our own side.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self.timeout_s):
                transport, _ = await loop.create_connection(
                    asyncio.Protocol, self._host, self._port
                )
        except TimeoutError:
            return Sample({"answered": 0.0}, f"no connection within {self.timeout_s:.3g} s")
        except socket.gaierror:
            detail = f"DNS: the name {self._host!r} does not resolve"
            return Sample({"reachable": 0.0, "answered": 0.0}, detail)
        except OSError as error:
            if error.errno in OUR_ERRORS:
                raise NoData(f"no connection can be made: {os_words(error)}") from None
            return Sample({"reachable": 0.0, "answered": 0.0}, os_words(error))
        latency_s = loop.time() - began_s
        transport.abort()
        return Sample({"reachable": 1.0, "answered": 1.0, "latency_s": latency_s})


class ExecProbe(Schedule):
    """Runs a command, which may print metrics as ``name=value`` lines.

    Metrics: what it prints (at most `METRICS`), ``ok`` for exit status 0, and ``latency_s``. A
    command that takes too long is killed with all that it started.
    """

    def __init__(self, target: str, name: str, spec: ProbeSpec, *, base: Path) -> None:
        super().__init__(target, name, spec)
        self._command = spec.exec or ()
        self._base = base

    async def read(self) -> Sample:
        """Run it once.

        Raises:
            NoData: it cannot be started.
        """
        env = {**os.environ, "MENDEL_TARGET": self.target}
        try:
            end = await run_command(
                self._command, cwd=self._base, env=env, timeout_s=self.timeout_s
            )
        except EnvironmentProblem as problem:
            raise NoData(str(problem)) from None
        metrics = usable_metrics(_assignments(end.output))
        metrics |= {"ok": float(end.status == 0), "latency_s": end.duration_s}
        return Sample(metrics, "" if end.status == 0 else end.detail)


class HeartbeatProbe(Schedule):
    """Waits for a component to report itself.

    Metrics: the newest ones that it reported, and ``answered``, which is 0.0 when it is overdue. A
    component that has reported before has promised to go on; that it never did is `NoData`.
    """

    def __init__(self, target: str, name: str, spec: ProbeSpec) -> None:
        super().__init__(target, name, spec)
        self._patience_s = spec.heartbeat_s or 0.0
        self._metrics: dict[str, float] = {}
        self._beat_s = -math.inf

    def beat(self, metrics: Mapping[str, float]) -> None:
        """Take a report; at most `METRICS` finite values of it."""
        self._metrics = usable_metrics(metrics.items())
        self._beat_s = asyncio.get_running_loop().time()

    def read(self) -> Sample:
        """Return the newest report, or that it is overdue.

        Raises:
            NoData: there has never been one.
        """
        age_s = asyncio.get_running_loop().time() - self._beat_s
        expected = f"expected every {self._patience_s:.3g} s"
        if math.isinf(age_s):
            raise NoData(f"no heartbeat from {self.target!r} yet; {expected}")
        if age_s > self._patience_s:
            return Sample({"answered": 0.0}, f"no heartbeat for {age_s:.3g} s; {expected}")
        return Sample({**self._metrics, "answered": 1.0})


def usable_metrics(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Metrics that can be worked with: finite values under plain names, at most `METRICS`."""
    usable: dict[str, float] = {}
    for name, value in pairs:
        if len(usable) == METRICS:
            break
        if _METRIC.fullmatch(name) and math.isfinite(value):
            usable[name] = float(value)
    return usable


def _assignments(output: str) -> Iterable[tuple[str, float]]:
    for line in output.splitlines():
        name, separator, text = line.partition("=")
        if separator:
            try:
                yield name.strip(), float(text)
            except ValueError:
                continue  # It prints other things, too.
