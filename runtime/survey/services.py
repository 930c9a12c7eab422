"""What a configuration can be drafted from: services, however they were found."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, structs

from ...core.topology import Kind

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")


class Service(Struct, frozen=True, kw_only=True):
    """Something that runs, or is meant to.

    Attributes:
        name: what it would be called.
        kind: what sort of thing it is, as far as its name and its answers tell.
        found: where, in words.
        address: ``host:port`` that it listens on, or empty.
        path: of a URL below that which it answers well, or empty when it does not speak HTTP.
        unit: of systemd, or empty.
        command: that mendel is to run it by, or empty when somebody else does.
        needs: names of those it is connected to, or said to need.
    """

    name: str
    kind: Kind = "service"
    found: str = ""
    address: str = ""
    path: str = ""
    unit: str = ""
    command: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Survey(Struct, frozen=True, kw_only=True):
    """What was found, and the configuration that was written of it.

    Attributes:
        path: the file.
        services: what it is about.
    """

    path: str
    services: tuple[Service, ...] = ()


def name_of(text: str) -> str:
    """A name that a component may have.

    Example:
        >>> name_of("My Shop (v2).service")
        'my-shop-v2'
    """
    return _NOT_IN_NAMES.sub("-", text.lower().removesuffix(".service")).strip("-_") or "service"


def untangled(services: Iterable[Service]) -> tuple[Service, ...]:
    """The same services, where nobody needs itself, however far around.

    Of a circle the connection that was found last is left out: a graph of causes has no circles,
    and which side is the client a connection does not always tell.
    """
    found = list(services)
    names = {each.name for each in found}
    needs: dict[str, list[str]] = {name: [] for name in names}
    for each in found:
        for other in each.needs:
            if other in names and not _reaches(other, each.name, needs):
                needs[each.name].append(other)
    return tuple(structs.replace(each, needs=tuple(needs[each.name])) for each in found)


def _reaches(start: str, goal: str, needs: dict[str, list[str]]) -> bool:
    waiting, seen = [start], set[str]()
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting += needs[name]
    return False
