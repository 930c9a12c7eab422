"""Look what runs on this machine: who listens, who is connected to whom, who started it.

Only what the user may see is found. Each port is asked once over HTTP, at most one second long, so
a server may have a line about it in its log; nothing is sent to other machines.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from ...core.topology import Kind
from .services import Service, name_of, untangled

# More than this is no draft that anybody would read.
SERVICES_MAX = 50
_ASK_S = 0.5
_ASKED_AT_ONCE = 16
_PATHS = ("/health", "/healthz", "/ready", "/")
_LOCAL = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  Nothing is bound to it.
_INTERPRETERS = re.compile(r"^(python[\d.]*|node|ruby|perl|php|java|deno|bun|sh|bash)$")
_UNIT = re.compile(r"/([^/]+)\.service\b")
# Those that carry users' sessions, not a service of the machine.
_SESSIONS = ("user@", "session", "init")
_KINDS: Mapping[str, Kind] = {
    "postgres": "database",
    "mysqld": "database",
    "mariadbd": "database",
    "mongod": "database",
    "redis-server": "cache",
    "valkey-server": "cache",
    "memcached": "cache",
    "beam.smp": "queue",
    "nats-server": "queue",
}


class _Process(Struct, frozen=True):
    """A process that listens.

    Attributes:
        pid: of it; 0 when the user may not know.
        program: its name.
        arguments: its command line.
        unit: of systemd that it belongs to, or empty.
        ports: that it listens on, smallest first.
    """

    pid: int
    program: str
    arguments: Sequence[str]
    unit: str
    ports: Sequence[int]


def look() -> tuple[Service, ...]:
    """What listens on this machine, as far as the user may see it, at most `SERVICES_MAX`."""
    connections = psutil.net_connections(kind="tcp")
    listening: defaultdict[int, set[int]] = defaultdict(set)
    for each in connections:
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.ip in _LOCAL:
            # Of other users' processes the port is all that can be known.
            listening[each.pid or -each.laddr.port].add(each.laddr.port)
    listening.pop(os.getpid(), None)
    processes = [_process(pid, sorted(ports)) for pid, ports in sorted(listening.items())]
    processes = sorted(processes, key=lambda each: each.ports[0])[:SERVICES_MAX]
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as threads:
        answers = list(threads.map(_answer, [each.ports for each in processes]))
    names = dict(zip([each.pid for each in processes], _names(processes), strict=True))
    owners = {port: each.pid for each in processes for port in each.ports}
    needs = _needs(connections, owners)
    return untangled(
        _service(each, names, answer, needs[each.pid])
        for each, answer in zip(processes, answers, strict=True)
    )


def _process(pid: int, ports: Sequence[int]) -> _Process:
    program, arguments, unit = "", list[str](), ""
    with contextlib.suppress(psutil.Error):
        if pid > 0:
            process = psutil.Process(pid)
            program, arguments = process.name(), process.cmdline()
            unit = _unit_of(pid)
    return _Process(pid, program, arguments, unit, ports)


def _unit_of(pid: int) -> str:
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except OSError:
        return ""
    units = [each for each in _UNIT.findall(groups) if not each.startswith(_SESSIONS)]
    return units[-1] if units else ""


def _names(processes: Sequence[_Process]) -> Iterator[str]:
    """One for each, no two alike."""
    taken = set[str]()
    for each in processes:
        name = name_of(each.unit or _called(each) or f"port-{each.ports[0]}")
        if name in taken:
            name = f"{name}-{each.ports[0]}"
        taken.add(name)
        yield name


def _called(process: _Process) -> str:
    """What people call it: of an interpreter, what it runs."""
    if not _INTERPRETERS.match(process.program):
        return process.program
    for before, word in zip(process.arguments, process.arguments[1:], strict=False):
        if before == "-m":
            return word
        if not word.startswith("-") and not before.startswith("-c"):
            return Path(word).stem
    return process.program


def _answer(ports: Sequence[int]) -> tuple[int, str]:
    """The first port that speaks HTTP with a path that it answers well; else the smallest one."""
    for port in ports:
        for path in _PATHS:
            status = _ask(port, path)
            if status is None:
                break
            if status < 400:
                return port, path
    return ports[0], ""


def _ask(port: int, path: str) -> int | None:
    """Status of an answer; ``None`` when it does not speak HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _needs(connections: Iterable[Any], owners: Mapping[int, int]) -> Mapping[int, list[int]]:
    """Who is connected to whom, by pid."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for each in connections:
        if each.status != psutil.CONN_ESTABLISHED or not each.raddr or not each.pid:
            continue
        owner = owners.get(each.raddr.port)
        is_client = each.laddr.port not in owners
        if is_client and owner not in (None, each.pid) and owner not in found[each.pid]:
            found[each.pid].append(owner)
    return found


def _service(
    process: _Process, names: Mapping[int, str], answer: tuple[int, str], needs: Sequence[int]
) -> Service:
    port, path = answer
    who = f"{process.program} (pid {process.pid})" if process.pid > 0 else "another user's process"
    return Service(
        name=names[process.pid],
        kind=_KINDS.get(process.program, "api" if path else "service"),
        found=f"{who}, listens on {', '.join(map(str, process.ports))}",
        address=f"127.0.0.1:{port}",
        path=path,
        unit=process.unit,
        needs=tuple(names[each] for each in needs if each in names),
    )
