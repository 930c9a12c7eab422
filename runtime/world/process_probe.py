"""Probes that look at a process from outside, through the system; they need no answer from it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from ...agents.ports import Sample
from ...errors import EnvironmentProblem, NoData
from ..specs import ProbeSpec
from .identity import Identity, look, members
from .managed import ManagedProcess
from .probes import Schedule

# Looking for new members of a group reads the list of all processes, which costs more than the
# rest of a look; a new worker is counted ten looks later at the latest.
LOOKS_PER_SEARCH = 10
# A pid file is written just after its process was started; a process that is younger than the file
# by more than this has only inherited the number. File systems and boot clocks differ by a second.
PID_FILE_SLACK_S = 2.0


class ProcessProbe(Schedule):
    """Looks at the process of a component.

    Metrics: ``alive`` (0 for none and for a zombie), ``stopped`` (1 when it was halted by a
    signal), ``cpu_share`` (of one core, since the last look), ``memory_bytes`` (resident) and
    ``descriptors`` (open ones). The last three count its whole process group.

    Args:
        find: who it is now, or None and why there is nobody.
    """

    def __init__(
        self,
        target: str,
        name: str,
        spec: ProbeSpec,
        find: Callable[[], tuple[Identity | None, str]],
    ) -> None:
        super().__init__(target, name, spec)
        self._find = find
        self._gauge: _Gauge | None = None

    def read(self) -> Sample:
        """Look once; it takes less than 0.2 ms and waits for nothing.

        Raises:
            NoData: the system does not let us look.
        """
        try:
            identity, detail = self._find()
        except EnvironmentProblem as problem:
            raise NoData(str(problem)) from None
        if identity is None:
            return Sample({"alive": 0.0, "stopped": 0.0}, detail)
        try:
            if self._gauge is None or self._gauge.identity != identity:
                self._gauge = _Gauge(identity)
            return self._gauge.read()
        except psutil.NoSuchProcess:
            return Sample({"alive": 0.0, "stopped": 0.0}, f"process {identity.pid} has ended")
        except (psutil.Error, EnvironmentProblem, OSError) as error:
            raise NoData(f"process {identity.pid} cannot be looked at: {error}") from None


def managed(process: ManagedProcess) -> Callable[[], tuple[Identity | None, str]]:
    """Make a function that finds the process that mendel runs for a component."""

    def find() -> tuple[Identity | None, str]:
        return process.identity, process.detail

    return find


def pid_file(path: Path) -> Callable[[], tuple[Identity | None, str]]:
    """Make a function that finds the process that a pid file names.

    The function raises `NoData` when the file cannot be read or holds no number. Without a file
    there is no process, because services remove theirs when they end.
    """

    def find() -> tuple[Identity | None, str]:
        try:
            content, written = path.read_bytes()[:32].strip(), path.stat().st_mtime
        except FileNotFoundError:
            return None, f"there is no pid file {str(path)!r}"
        except OSError as error:
            raise NoData(f"pid file {str(path)!r} cannot be read: {error.strerror}") from None
        if not content.isdigit() or int(content) <= 1:
            raise NoData(f"pid file {str(path)!r} does not hold the number of a process")
        return _owner(path, int(content), written)

    return find


def _owner(path: Path, pid: int, written: float) -> tuple[Identity | None, str]:
    seen = look(pid)
    if seen is None:
        return None, f"process {pid} of pid file {str(path)!r} does not run"
    if seen.is_over:
        return None, f"process {pid} is a zombie: it ended, and its parent has not noticed"
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).create_time() > written + PID_FILE_SLACK_S:
            return None, f"process {pid} is younger than pid file {str(path)!r}: another program"
    return seen.identity, ""


class _Gauge:
    """Measures one process group, member by member."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._leader = _Meter(identity.pid)
        self._others: dict[Identity, _Meter] = {}
        self._reads = 0

    def read(self) -> Sample:
        """Measure now.

        Raises:
            psutil.NoSuchProcess: the leader has ended.
        """
        if self._reads % LOOKS_PER_SEARCH == 0:
            self._search()
        self._reads += 1
        state = self._leader.process.status()
        if state in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            raise psutil.ZombieProcess(self.identity.pid)
        stopped = state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        metrics = {"alive": 1.0, "stopped": float(stopped)}
        now_s = asyncio.get_running_loop().time()
        for meter in (self._leader, *self._others.values()):
            for name, value in meter.read(now_s).items():
                metrics[name] = metrics.get(name, 0.0) + value
        return Sample(metrics, "stopped by a signal" if stopped else "")

    def _search(self) -> None:
        group = self.identity.pid
        with contextlib.suppress(OSError):
            if os.getpgid(group) != group:
                return  # It shares the group with others, who are not its children.
        found = {each for each in members(group) if each != self.identity}
        for gone in self._others.keys() - found:
            del self._others[gone]
        for fresh in found - self._others.keys():
            with contextlib.suppress(psutil.Error):
                self._others[fresh] = _Meter(fresh.pid)


class _Meter:
    """Measures one process; it is kept because the share of CPU counts from the last reading."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self._cpu_s = 0.0
        self._read_s = math.nan

    def read(self, now_s: float) -> dict[str, float]:
        """Measure it now; there is nothing to see when it has ended or is not ours to see."""
        metrics: dict[str, float] = {}
        with contextlib.suppress(psutil.Error), self.process.oneshot():
            times = self.process.cpu_times()
            cpu_s = times.user + times.system
            if now_s > self._read_s:  # Not at the first reading: there is nothing to count from.
                metrics["cpu_share"] = (cpu_s - self._cpu_s) / (now_s - self._read_s)
            self._cpu_s, self._read_s = cpu_s, now_s
            metrics["memory_bytes"] = float(self.process.memory_info().rss)
            metrics["descriptors"] = float(self.process.num_fds())
        return metrics
