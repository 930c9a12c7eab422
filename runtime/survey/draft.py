"""A configuration for people to go on with: short, commented, and valid as it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...documents.kinds import toml_value
from .services import Service

_HEAD = """\
# {title}
#
#   mendel check                  finds every mistake in here at once
#   mendel run --mode observe     only watches, and says what it would do
#   mendel run                    heals, once `mode` below is "act"
#
# All settings with their meaning: `mendel schema config`, or "Configuration" in the manual.

[policy]
# "observe": say what would be done.  "recommend": ask before each action.  "act": heal.
mode = "observe"

[defaults]
# "basic": fixed rules.  "advanced": learns what helps.  "full": also breeds better settings.
level = "basic"
"""

_EXAMPLE = """
# One table for each component: something that can be watched, blamed and restarted by itself.

[[components]]
name = "db"
kind = "database"                       # decides what is tried first; see "levels" in the manual
probes = [{ tcp = "127.0.0.1:5432", every = "2s", timeout = "1s" }]
actions = { restart = { exec = ["systemctl", "restart", "postgresql"], settle = "10s" } }

[[components]]
name = "shop"
kind = "api"
depends_on = ["db"]                     # so it is left alone while db is the cause
probes = [{ http = "http://127.0.0.1:8000/health", every = "1s", timeout = "500ms" }]
actions = { restart = { exec = ["systemctl", "restart", "shop"], settle = "5s" } }

# A process that mendel itself starts, watches and restarts needs neither probe nor action:
#
# [[components]]
# name = "worker"
# kind = "worker"
# process = { exec = ["python3", "worker.py"] }
"""


def draft(services: Sequence[Service], *, title: str) -> str:
    """The text of a configuration file.

    Args:
        services: what it is about; with none, two examples stand in their place.
        title: its first line.
    """
    if not services:
        return _HEAD.format(title=title) + _EXAMPLE
    parts = (line for each in services for line in _component(each))
    return _HEAD.format(title=title) + "\n" + "\n".join(parts) + "\n"


def _component(service: Service) -> Iterator[str]:
    if service.found:
        yield f"# {service.found}"
    yield "[[components]]"
    yield f"name = {toml_value(service.name)}"
    yield f"kind = {toml_value(service.kind)}"
    if service.needs:
        yield f"depends_on = [{', '.join(map(toml_value, service.needs))}]"
    if service.command:
        yield f"process = {{ exec = {_array(service.command)} }}"
    if service.address:
        yield f'probes = [{{ {_look(service)}, every = "1s", timeout = "500ms" }}]'
    elif service.unit:
        command = ("systemctl", "is-active", "--quiet", service.unit)
        yield f'probes = [{{ exec = {_array(command)}, every = "5s", timeout = "2s" }}]'
    yield from _actions(service)
    yield ""


def _look(service: Service) -> str:
    if service.path:
        return f"http = {toml_value(f'http://{service.address}{service.path}')}"
    return f"tcp = {toml_value(service.address)}"


def _actions(service: Service) -> Iterator[str]:
    if service.unit:
        command = _array(("systemctl", "restart", service.unit))
        yield f'actions = {{ restart = {{ exec = {command}, settle = "5s" }} }}'
    elif not service.command:
        yield "# How is it restarted? Until you say so, it is only watched, and a person is called."
        yield f'# actions = {{ restart = {{ exec = ["systemctl", "restart", "{service.name}"] }} }}'


def _array(words: Sequence[str]) -> str:
    return f"[{', '.join(map(toml_value, words))}]"
