"""The five services of the demo as components: web -> cart -> db, payment, catalog.

Every part is what a user's own configuration would say: managed processes, HTTP and process probes,
``restart``, and for each service that is called a webhook to its caller, which keeps calls away
from it (``isolate``) and lets them through again (``release``).
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from ...core.detection.detect import Threshold
from ...core.topology import Component
from ..specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec, Secret
from .service import TOKEN_HEADER, TOKEN_VARIABLE, CircuitOrder
from .wire import HOST

COMPONENTS = (
    Component(name="web", kind="ui", depends_on=("cart",)),
    Component(name="cart", kind="api", depends_on=("db", "payment", "catalog")),
    Component(name="db", kind="database"),
    Component(name="payment", kind="service"),
    Component(name="catalog", kind="service"),
)
BOOT_S = 1.5  # Long enough that people see a restart, short enough for six faults in a minute.
HTTP_EVERY_S = 0.5
HTTP_TIMEOUT_S = 0.7  # A caller gives up after 0.6 s and can still say whom it misses.
PROCESS_EVERY_S = 0.25
STOP_S = 0.5  # A service has nothing to finish; a stopped one cannot hear SIGTERM anyway.
# A service of the demo takes 25 MB; the second look tells a leak from a burst.
THRESHOLDS = {"memory_bytes": Threshold(above=80e6, samples=2, of=3, clear=2, own=True)}


class Estate(Struct, frozen=True, kw_only=True):
    """Where the services are and how they are watched and healed.

    Attributes:
        specs: one for each component, callers first.
        urls: base URL of each service.
        token: what the services want to see before they are isolated or made ill.
    """

    specs: tuple[ComponentSpec, ...]
    urls: Mapping[str, str]
    token: str


def build_estate(folder: Path, *, parent: int = 0, boot_s: float = BOOT_S) -> Estate:
    """Choose free ports and a token, and describe the services.

    Args:
        folder: where the token is kept (``token``, readable by its owner only) and where the
            services run.
        parent: process whose end they do not outlive; 0 for none.
        boot_s: how long a service takes to start.
    """
    token, token_file = secrets.token_urlsafe(16), folder / "token"
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    secret = Secret(file=str(token_file))
    ports = dict(zip((each.name for each in COMPONENTS), free_ports(len(COMPONENTS)), strict=True))
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    common = ("--boot-s", str(boot_s), "--parent", str(parent))
    specs = tuple(
        ComponentSpec(
            name=each.name,
            kind=each.kind,
            depends_on=each.depends_on,
            process=ProcessSpec(
                exec=(*_command(each, ports[each.name], urls), *common),
                cwd=str(folder),
                env={TOKEN_VARIABLE: secret},
                stop_s=STOP_S,
                adopt=False,
            ),
            probes=_probes(urls[each.name]),
            actions=_actions(each.name, urls, secret, boot_s),
            thresholds=THRESHOLDS,
        )
        for each in COMPONENTS
    )
    return Estate(specs=specs, urls=urls, token=token)


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens on now, all different.

    They are free again when this returns, so somebody else may take one; the kernel deals them in
    turn, which makes that unlikely, and the service that finds its port taken says so.
    """
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return tuple(each.getsockname()[1] for each in held)
    finally:
        for each in held:
            each.close()


def _command(component: Component, port: int, urls: Mapping[str, str]) -> tuple[str, ...]:
    calls = (part for name in component.depends_on for part in ("--calls", f"{name}={urls[name]}"))
    module = (sys.executable, "-m", f"{__package__}.service")
    return (*module, "--name", component.name, "--port", str(port), *calls)


def _probes(url: str) -> tuple[ProbeSpec, ...]:
    return (
        ProbeSpec(http=f"{url}/health", every_s=HTTP_EVERY_S, timeout_s=HTTP_TIMEOUT_S),
        ProbeSpec(process=True, every_s=PROCESS_EVERY_S),
    )


def _actions(
    name: str, urls: Mapping[str, str], token: Secret, boot_s: float
) -> dict[str, ActionSpec]:
    actions = {"restart": ActionSpec(process="restart", timeout_s=5.0, settle_s=boot_s + 2.0)}
    for caller in COMPONENTS:
        if name in caller.depends_on:
            circuit = f"{urls[caller.name]}/circuit"
            actions["isolate"] = _webhook(circuit, token, name, "open")
            actions["release"] = _webhook(circuit, token, name, "closed")
    return actions


def _webhook(url: str, token: Secret, dependency: str, state: str) -> ActionSpec:
    order = msgspec.convert({"dependency": dependency, "state": state}, CircuitOrder)
    return ActionSpec(
        webhook=url,
        headers={TOKEN_HEADER: token, "Content-Type": "application/json"},
        body=msgspec.json.encode(order).decode(),
        timeout_s=1.0,
        settle_s=0.0,
        disruptive=False,
        undo="release" if state == "open" else "",
    )
