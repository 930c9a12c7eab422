"""Find out whether this machine is fit to run mendel, and has what a configuration needs."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from ..errors import ConfigError
from .config import Loaded, load
from .control import SOCKET_PATH_BYTES
from .specs import ComponentSpec

_PYTHON = (3, 11)
# A day of incidents of a busy estate is a few MB; an SQLite file needs as much again to tidy up.
_DISK_BYTES_LOW = 500_000_000
_DISK_BYTES_MINIMUM = 50_000_000
# A probe under way needs one descriptor, a managed process three; the rest is slack.
_DESCRIPTORS_PER_COMPONENT = 6
_DESCRIPTORS_OWN = 64
_CONNECT_S = 1.0
_CONNECTS_AT_ONCE = 32

Verdict = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True, kw_only=True):
    """What was found of one thing.

    Attributes:
        name: what was looked at.
        verdict: ``fail`` keeps mendel from working, ``warn`` may be meant so.
        found: how it is.
        remedy: what to do about it; empty when nothing is to do.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def examine(
    config: Path | None = None, *, settings: Iterable[str] = (), state: Path | None = None
) -> list[Finding]:
    """Look at everything.

    Args:
        config: a configuration; without one only the machine is looked at.
        settings: overrides of it.
        state: the state folder, where it is not that of the configuration.
    """
    findings = [_python(), *_packages()]
    loaded: Loaded | None = None
    if config is not None:
        try:
            loaded = load(config, settings=settings)
        except ConfigError as error:
            remedy = f"mendel check {config}"
            findings.append(
                Finding(name="configuration", verdict="fail", found=str(error), remedy=remedy)
            )
        else:
            findings.append(_fine("configuration", f"{config} is fine"))
    folder = state or (loaded.state if loaded else Path(".mendel"))
    components: Sequence[ComponentSpec] = loaded.config.components if loaded else ()
    findings += [_folder(folder), _socket(folder), _disk(folder), _descriptors(len(components))]
    if loaded:
        findings += _commands(loaded)
        findings += _addresses(components)
    return findings


def _fine(name: str, found: str) -> Finding:
    return Finding(name=name, verdict="ok", found=found)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _PYTHON:
        return _fine("Python", f"{version} at {sys.executable}")
    remedy = "install Python 3.11 or newer"
    return Finding(name="Python", verdict="fail", found=version, remedy=remedy)


def _packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires("mendel") or []
    except metadata.PackageNotFoundError:
        remedy = "pip install mendel, or pip install -e . in a checkout"
        yield Finding(name="packages", verdict="warn", found="not installed", remedy=remedy)
        return
    needed = [re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in requirements if ";" not in each]
    missing = [name for name in needed if find_spec(name.replace("-", "_")) is None]
    if missing:
        remedy = f"pip install {' '.join(missing)}"
        found = f"missing: {', '.join(missing)}"
        yield Finding(name="packages", verdict="fail", found=found, remedy=remedy)
    else:
        yield _fine("packages", ", ".join(f"{name} {metadata.version(name)}" for name in needed))


def _folder(folder: Path) -> Finding:
    nearest = _existing(folder)
    try:
        # Asking for permission is not enough: a read-only file system grants it and refuses.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return Finding(
            name="state folder",
            verdict="fail",
            found=f"cannot write in {nearest}: {error.strerror}",
            remedy=f"make it writable for {_user()}, or set runtime.state",
        )
    made = "" if folder.is_dir() else " (will be made)"
    return _fine("state folder", f"{folder}{made} is writable")


def _socket(folder: Path) -> Finding:
    path = (folder / "control.sock").absolute()
    length = len(os.fsencode(path))
    if length <= SOCKET_PATH_BYTES:
        return _fine("control socket", f"its path has {length} bytes of {SOCKET_PATH_BYTES}")
    return Finding(
        name="control socket",
        verdict="fail",
        found=f"its path has {length} bytes, {SOCKET_PATH_BYTES} are possible",
        remedy="set runtime.state to a shorter path",
    )


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{free / 1e9:.1f} GB free for {folder}"
    if free >= _DISK_BYTES_LOW:
        return _fine("disk", found)
    verdict: Verdict = "warn" if free >= _DISK_BYTES_MINIMUM else "fail"
    return Finding(
        name="disk", verdict=verdict, found=found, remedy="make room, or set runtime.state"
    )


def _descriptors(components: int) -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _DESCRIPTORS_OWN + components * _DESCRIPTORS_PER_COMPONENT
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return _fine("open files", f"limit {limit}, about {needed} are needed")
    return Finding(
        name="open files",
        verdict="warn",
        found=f"limit {limit}, about {needed} are needed for {components} components",
        remedy=f"ulimit -n {needed}, or LimitNOFILE={needed} in a systemd unit",
    )


def _commands(loaded: Loaded) -> Iterator[Finding]:
    missing, present = [], 0
    for owner, command, folder in _commands_of(loaded):
        program = command[0]
        # A path is relative to where the command will run, a name is looked for in PATH.
        place = str(folder / program) if "/" in program else program
        if shutil.which(place) is None:
            missing.append(f"{program} (of {owner})")
        else:
            present += 1
    if missing:
        remedy = "install them, or give their whole path"
        found = f"not found: {', '.join(missing)}"
        yield Finding(name="commands", verdict="fail", found=found, remedy=remedy)
    elif present:
        yield _fine("commands", f"all {present} are there")


def _commands_of(loaded: Loaded) -> Iterator[tuple[str, Sequence[str], Path]]:
    for component in loaded.config.components:
        if component.process:
            yield component.name, component.process.exec, loaded.base / component.process.cwd
        for probe in component.probes:
            if probe.exec:
                yield component.name, probe.exec, loaded.base
        for action in component.actions.values():
            for command in (action.exec, action.check):
                if command:
                    yield component.name, command, loaded.base


def _addresses(components: Sequence[ComponentSpec]) -> list[Finding]:
    wanted = list(dict.fromkeys(_addresses_of(components)))
    if not wanted:
        return []
    with ThreadPoolExecutor(min(len(wanted), _CONNECTS_AT_ONCE)) as pool:
        reasons = list(pool.map(_unreachable, wanted))
    silent = [
        f"{host}:{port} ({reason})"
        for (host, port), reason in zip(wanted, reasons, strict=True)
        if reason
    ]
    if not silent:
        return [_fine("addresses", f"all {len(wanted)} accept connections")]
    return [
        Finding(
            name="addresses",
            verdict="warn",
            found=f"no connection to {', '.join(silent)}",
            remedy="fine for what mendel will start itself; anything else it would find sick",
        )
    ]


def _addresses_of(components: Sequence[ComponentSpec]) -> Iterator[tuple[str, int]]:
    for component in components:
        for probe in component.probes:
            if probe.http:
                parts = urlsplit(probe.http)
                default = 443 if parts.scheme == "https" else 80
                yield parts.hostname or "", parts.port or default
            if probe.tcp:
                host, _, port = probe.tcp.rpartition(":")
                yield host.strip("[]"), int(port)


def _unreachable(address: tuple[str, int]) -> str:
    try:
        with socket.create_connection(address, timeout=_CONNECT_S):
            return ""
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _user() -> str:
    return os.environ.get("USER") or f"uid {os.getuid()}"
