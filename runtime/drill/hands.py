"""Makes the faults of a drill, and takes them back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
from msgspec import structs

from ...core.topology import Component
from ...errors import ConfigError, EnvironmentProblem, MendelError
from ...scenarios.chaos import ballast
from ...scenarios.chaos.proxy import ERROR_500, FAIR, FaultProxy, Weather
from ..config import Config
from ..factory import settings_of
from ..specs import ComponentSpec
from ..undo import Undo, write
from ..world.identity import Identity, is_alive
from .plan import Step

# Slower than a probe waits, by enough that no rounding matters.
SLOWER = 1.5
# A leak crosses its line by this much, and needs so long for it: samples of both sides are seen.
LEAK_OVER = 1.5
LEAK_S = 4.0
# A leak never takes more than this share of what the machine has left.
LEAK_SHARE_MAX = 0.25


class CannotBreak(MendelError):
    """A fault could not be made, so there is nothing to heal."""


class Hands:
    """Breaks one thing at a time.

    Args:
        config: of the estate.
        state: folder in which is written down what is to be taken back.
        process_of: the process of a component; ``None`` while it does not run.
        proxies: that stand before components.
        fifos: of the ballast beside them.
    """

    def __init__(
        self,
        config: Config,
        state: Path,
        process_of: Callable[[str], Identity | None],
        proxies: Mapping[str, FaultProxy],
        fifos: Mapping[str, Path],
    ) -> None:
        self._specs = {each.name: each for each in config.components}
        self._config = config
        self._state = state
        self._process_of = process_of
        self._proxies = proxies
        self._fifos = fifos
        self._broken: Undo | None = None
        self._patient: Identity | None = None

    async def break_it(self, step: Step) -> None:
        """Make a fault.

        Raises:
            CannotBreak: it cannot be made now; nothing was done.
            EnvironmentProblem: it could not be written down how to take it back.
        """
        process = self._process_of(step.target)
        if process is None or process.pid <= 1:
            raise CannotBreak(f"{step.target} does not run")
        fifo = self._fifos.get(step.target) if step.drill.means == "ballast" else None
        self._patient = process
        self._broken = Undo(
            target=step.target,
            kind=step.kind,
            stopped=process if step.kind == "hang" else None,
            fifo=str(fifo or ""),
        )
        write(self._state, [self._broken])
        match step.drill.means:
            case "signal":
                _signal(process, step)
            case "proxy":
                await self._proxies[step.target].set(self._weather(step))
            case "ballast":
                assert fifo is not None, "the estate was fitted to its plan"
                size = leak_bytes(self._config, step.target)
                if not ballast.order(fifo, f"leak {int(size / LEAK_S)} {size}"):
                    raise CannotBreak(f"nobody takes memory for {step.target}")

    def is_replaced(self, step: Step) -> bool:
        """Whether another process has taken the place of the one that was broken."""
        now = self._process_of(step.target)
        return now is not None and now != self._patient

    async def relieve(self, step: Step) -> None:
        """A fault of a process is over when its process is; called when that may be so."""
        is_bound = step.drill.means == "proxy" and step.drill.lives_in == "process"
        if is_bound and self.is_replaced(step):
            await self._proxies[step.target].set(FAIR)

    async def take_back(self, step: Step) -> None:
        """End a fault, as far as it has not ended; twice is as well as once."""
        if step.drill.means == "proxy":
            await self._proxies[step.target].set(FAIR)
        if self._broken is not None:
            with contextlib.suppress(ProcessLookupError):
                self._broken.take_back()
            self._broken = None
            write(self._state, [])

    def _weather(self, step: Step) -> Weather:
        spec = self._specs[step.target]
        weather = step.drill.weather
        if step.kind == "slow":
            return structs.replace(weather, latency_s=SLOWER * _patience_s(spec))
        if weather.error_rate and not any(each.http for each in spec.probes):
            # Who does not speak HTTP does not understand its errors.
            return Weather(reset_rate=weather.error_rate)
        return structs.replace(weather, error=ERROR_500)


def leak_bytes(config: Config, target: str) -> int:
    """How much a leak of a component takes, so that it is seen.

    Raises:
        ConfigError: nobody would see it: it has no line for its memory.
        EnvironmentProblem: the machine has not enough to lose.
    """
    spec = next(each for each in config.components if each.name == target)
    component = Component(name=spec.name, kind=spec.kind)
    thresholds = settings_of(config, [component])[target].watch.thresholds
    line = thresholds.get("memory_bytes")
    if line is None or line.above is None:
        raise ConfigError(
            f"nobody would see a leak of {target!r}: it has no threshold for memory_bytes; "
            'such as `thresholds = { memory_bytes = { above = "500MB", own = true } }`'
        )
    room = psutil.virtual_memory().available * LEAK_SHARE_MAX
    size = line.above * LEAK_OVER
    if size > room:
        raise EnvironmentProblem(
            f"a leak that crosses the {line.above / 1e6:.0f} MB of {target!r} would take more than "
            f"{LEAK_SHARE_MAX:.0%} of the memory that is left"
        )
    return int(size)


def _patience_s(spec: ComponentSpec) -> float:
    return max(each.timeout_s for each in spec.probes if each.http or each.tcp)


def _signal(process: Identity, step: Step) -> None:
    if not is_alive(process):
        raise CannotBreak(f"{step.target} (process {process.pid}) is gone")
    try:
        if step.kind == "crash":
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGSTOP)
    except (ProcessLookupError, PermissionError) as error:
        raise CannotBreak(f"{step.target} (process {process.pid}): {error.strerror}") from None
