"""The estate of a drill: the user's own, with what the faults need put before and beside it.

A proxy takes the port at which a component is called; the component itself gets another one,
wherever its command or environment names its port. So probes and callers meet the proxy, and
nothing of the user's files is changed. Ballast is started beside the command, in its process group.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, structs

from ...errors import ConfigError, EnvironmentProblem
from ...scenarios.chaos import ballast
from ...scenarios.chaos.proxy import FaultProxy
from ..config import Loaded
from ..demo.estate import free_ports
from ..specs import ComponentSpec, ProcessSpec
from .plan import Plan

Address = tuple[str, int]


class Fitting(Struct, frozen=True, kw_only=True):
    """What stands before and beside the components of a drill.

    Attributes:
        loaded: the configuration to launch.
        before: by component: where its proxy listens, and where the component is.
        fifos: by component: where its ballast waits for orders.
    """

    loaded: Loaded
    before: dict[str, tuple[Address, Address]]
    fifos: dict[str, Path]


@contextmanager
def fitted(loaded: Loaded, plan: Plan) -> Iterator[Fitting]:
    """Fit an estate to what will befall it.

    Raises:
        ConfigError: a component cannot be broken as planned, and why.
    """
    with TemporaryDirectory(prefix="mendel-drill-") as folder:
        specs = {each.name: each for each in loaded.config.components}
        before: dict[str, tuple[Address, Address]] = {}
        fifos: dict[str, Path] = {}
        for step in plan.steps:
            spec = specs[step.target]
            process = _process_of(spec)
            means = step.drill.means
            if means == "proxy" and step.target not in before:
                listen = _address(spec)
                port = free_ports(1)[0]
                process = _moved(spec.name, process, listen[1], port)
                before[step.target] = listen, (listen[0], port)
            elif means == "ballast" and step.target not in fifos:
                fifos[step.target] = fifo = _fifo(Path(folder) / step.target)
                process = structs.replace(process, exec=ballast.wrapped(process.exec, fifo))
            specs[step.target] = structs.replace(spec, process=process)
        config = structs.replace(loaded.config, components=tuple(specs.values()))
        yield Fitting(loaded=structs.replace(loaded, config=config), before=before, fifos=fifos)


@asynccontextmanager
async def proxies(fitting: Fitting, seed: int) -> Any:
    """The proxies, by component, while they stand.

    Raises:
        EnvironmentProblem: a port is taken: the estate runs already.
    """
    async with AsyncExitStack() as stack:
        found = {}
        for number, (target, (listen, service)) in enumerate(fitting.before.items()):
            rng = Random(seed + number)  # noqa: S311  Which request suffers is drawn, not secret.
            proxy = FaultProxy(listen, service, rng)
            try:
                found[target] = await stack.enter_async_context(proxy)
            except OSError as error:
                raise EnvironmentProblem(
                    f"no proxy can stand before {target!r} at {listen[0]}:{listen[1]}: "
                    f"{error.strerror}",
                    "stop what runs there first: a drill starts the components itself",
                ) from None
        yield found


def _process_of(spec: ComponentSpec) -> ProcessSpec:
    if spec.process is None:
        raise ConfigError(
            f"{spec.name!r} is not run by mendel, so a drill does not touch it; "
            "give it `process = { exec = [...] }`"
        )
    return spec.process


def _address(spec: ComponentSpec) -> Address:
    """Where a component is called, as its first probe over the network tells."""
    for probe in spec.probes:
        if probe.http is not None:
            parts = urlsplit(probe.http)
            address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
            break
        if probe.tcp is not None:
            host, _, port = probe.tcp.rpartition(":")
            address = host.strip("[]"), int(port)
            break
    else:
        raise ConfigError(
            f"{spec.name!r} has no http or tcp probe, so nobody knows where a proxy should stand"
        )
    if not _is_loopback(address[0]):
        raise ConfigError(
            f"{spec.name!r} is called at {address[0]}, which is not this machine alone; "
            "a drill puts itself before loopback addresses only"
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _moved(name: str, process: ProcessSpec, old: int, new: int) -> ProcessSpec:
    """The same process at another port."""
    number = re.compile(rf"(?<!\d){old}(?!\d)")
    command = tuple(number.sub(str(new), each) for each in process.exec)
    env = {
        key: number.sub(str(new), value) if isinstance(value, str) else value
        for key, value in process.env.items()
    }
    if (command, env) == (process.exec, process.env):
        raise ConfigError(
            f"no proxy can stand before {name!r}: its port {old} is neither in its command nor in "
            f"its `env`, so it cannot be given another one; name the port there, as in "
            f'`env = {{ PORT = "{old}" }}`'
        )
    return structs.replace(process, exec=command, env=env)


def _fifo(path: Path) -> Path:
    os.mkfifo(path, 0o600)
    return path
