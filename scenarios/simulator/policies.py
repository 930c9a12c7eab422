"""The two ends of every score: nobody acting, and an operator who knows the fault.

Both are functions of a course, without agents. The clairvoyant operator tries each single remedy
that could fit, on the very day that is to come, and takes the best: it cannot be beaten by one
action, only by several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from ..faults import Fault
from .estate import USERS
from .operations import REMEDIES
from .simulation import Course, Simulation

# Faults that do no harm at first, and when their remedies are tried, as shares of what is left.
_CREEPING = ("memory_leak", "disk_fill", "pool_exhaustion")
_CREEPING_SHARES = (0.0, 0.1, 0.3, 0.5, 0.7)

# After the first of two orders its effect has begun, and the second one is not undone by it.
_NEXT_S = 10.0


class Order(Struct, frozen=True):
    """An operation at a time.

    Attributes:
        at_s: when it is ordered.
        name: one of `REMEDIES`.
        target: to whom it is done.
    """

    at_s: float
    name: str
    target: str


class Result(Struct, frozen=True):
    """What a course came to.

    Attributes:
        harm: error-minutes, with the price of what was done.
        orders: what was done.
    """

    harm: float
    orders: tuple[Order, ...] = ()


def play(course: Course, orders: Sequence[Order] = ()) -> Simulation:
    """Follow a course to its end, with orders given at their times."""
    simulation = Simulation(course)
    for order in sorted(orders, key=lambda each: each.at_s):
        simulation.advance(order.at_s)
        simulation.begin(order.name, order.target)
    simulation.advance(course.until_s)
    return simulation


def nobody(course: Course) -> Result:
    """Nobody acts: 0 on the scale."""
    return Result(play(course).harm())


def oracle(course: Course) -> Result:
    """The best single remedy for each fault at its best moment: 100 on the scale.

    The best moment is the onset, but for faults that creep: emptying a disk that is not full yet
    is of no use.
    """
    best = nobody(course)
    faults = sorted(course.faults, key=lambda each: each.at_s)
    chosen: dict[int, tuple[Order, ...]] = {}
    # Two rounds, because what helps against one fault may show only once another one is cured.
    rounds = 2 if len(faults) > 1 else 1
    for number, fault in [*enumerate(faults)] * rounds:
        others = tuple(order for other in chosen if other != number for order in chosen[other])
        for orders in _at_moments(remedies(course, fault), course, fault):
            harm = play(course, others + orders).harm()
            if harm < best.harm:
                best, chosen[number] = Result(harm, others + orders), orders
    return Result(best.harm, tuple(sorted(best.orders, key=lambda order: order.at_s)))


def remedies(course: Course, fault: Fault) -> list[tuple[Order, ...]]:
    """What an operator who knows the fault would think of.

    Each action that the catalogue names is one, on the whole of each component concerned or, where
    a few replicas are ill, on these alone; and so is the sequence of all that is right.
    """
    entry, at_s = fault.entry, fault.at_s
    names = dict.fromkeys((*entry.right, *entry.eases, *entry.cures))
    found: list[tuple[Order, ...]] = []
    for name in names:
        found += [
            tuple(Order(at_s, name, target) for target in targets)
            for targets in _targets(course, fault, name)
        ]
    if len(entry.right) > 1:
        sequence = []
        for number, name in enumerate(entry.right):
            for targets in _targets(course, fault, name)[:1]:
                sequence += [Order(at_s + number * _NEXT_S, name, each) for each in targets]
        found.append(tuple(sequence))
    return found


def _at_moments(
    found: Iterable[tuple[Order, ...]], course: Course, fault: Fault
) -> Iterable[tuple[Order, ...]]:
    left_s = course.until_s - fault.at_s
    for orders in found:
        for share in _CREEPING_SHARES if fault.kind in _CREEPING else (0.0,):
            yield tuple(
                structs.replace(order, at_s=order.at_s + share * left_s) for order in orders
            )


def _targets(course: Course, fault: Fault, name: str) -> list[tuple[str, ...]]:
    """Sets of targets that the remedy could be meant for."""
    on = REMEDIES[name].on
    components = _components(course, fault, name)
    sets: list[tuple[str, ...]] = []
    if "edge" in on and fault.entry.seat == "edge":
        sets.append((fault.target,))
    if "component" in on and components:
        sets.append(tuple(components))
    if (
        "replica" in on
        and fault.entry.seat == "replicas"
        and (fault.share < 1.0 or "*" in fault.target)
    ):
        sets.append(tuple(_ill_replicas(course, fault, components)))
    return sets


def _components(course: Course, fault: Fault, name: str) -> list[str]:
    estate = course.estate
    callers = [edge.caller for edge in estate.edges_into(fault.target) if edge.caller != USERS]
    match fault.entry.seat:
        case "edge":
            return [fault.target.partition(">")[0]]
        case "clients":
            return list(dict.fromkeys(callers))
        case "traffic":
            return list(dict.fromkeys(e.callee for e in estate.edges if e.caller == USERS))
        case _ if fault.target == "*":
            return [service.name for service in estate.services if service.replicas > 1]
        case _ if name == "degrade":
            return list(dict.fromkeys(callers))
        case _:
            return [fault.target]


def _ill_replicas(course: Course, fault: Fault, components: Iterable[str]) -> Iterable[str]:
    for name in components:
        count = course.estate.service(name).replicas
        for number in range(1, max(1, round(fault.share * count)) + 1):
            yield f"{name}/{number}"
