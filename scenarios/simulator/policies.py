"""The two ends of every score: nobody acting, and an operator who knows the fault.

Both are functions of a course, without agents. The clairvoyant operator tries each remedy that
could fit, on the very day that is to come, takes the best, and adds what makes it better still. It
is no optimum over all sequences and moments: who beats it scores above 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from msgspec import Struct, structs

from ..faults import Fault
from .estate import USERS, Estate
from .operations import ACTIONS_OF, REMEDIES, actions_on
from .simulation import Course, Simulation

# Faults that do no harm at first, and when their remedies are tried, as shares of what is left.
_CREEPING = ("memory_leak", "disk_fill", "pool_exhaustion")
_CREEPING_SHARES = (0.0, 0.1, 0.3, 0.5, 0.7)

# How often it looks whether a run is still worth following, and how often for something that makes
# the best one better.
_LOOK_S = 30.0
_MORE = 2

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


def play(course: Course, orders: Sequence[Order] = (), *, harm_max: float = inf) -> Simulation:
    """Follow a course to its end, with orders given at their times.

    Args:
        course: what happens.
        orders: what is done.
        harm_max: end as soon as it is exceeded: harm never gets less.
    """
    simulation = Simulation(course)
    for order in sorted(orders, key=lambda each: each.at_s):
        simulation.advance(order.at_s)
        simulation.begin(order.name, order.target)
    while simulation.now_s < course.until_s - 1e-9 and simulation.harm() <= harm_max:
        simulation.advance(min(simulation.now_s + _LOOK_S, course.until_s))
    return simulation


def nobody(course: Course) -> Result:
    """Nobody acts: 0 on the scale."""
    return Result(play(course).harm())


def oracle(course: Course) -> Result:
    """The best remedies for each fault at their best moment: 100 on the scale.

    For each fault it tries every remedy alone, then whatever makes the best of them better still.
    The best moment is the onset, but for faults that creep: emptying a disk that is not full yet
    is of no use.
    """
    faults = sorted(course.faults, key=lambda each: each.at_s)
    thought_of = [[*_at_moments(remedies(course, fault), course, fault)] for fault in faults]
    chosen: dict[int, tuple[Order, ...]] = {}
    best = nobody(course)
    # Two rounds, because what helps against one fault may show only once another one is cured.
    for number in [*range(len(faults))] * min(len(faults), 2):
        others = tuple(order for other in chosen if other != number for order in chosen[other])
        best, chosen[number] = _best_of(
            course, best, others, thought_of[number], chosen.get(number, ())
        )
    for number in [*range(len(faults))] * _MORE:
        best, _ = _best_of(course, best, best.orders, thought_of[number], ())
    return Result(best.harm, tuple(sorted(best.orders, key=lambda order: order.at_s)))


def _best_of(
    course: Course,
    best: Result,
    given: tuple[Order, ...],
    thought_of: Iterable[tuple[Order, ...]],
    chosen: tuple[Order, ...],
) -> tuple[Result, tuple[Order, ...]]:
    """The best result with one of the remedies beside what is given, and that remedy."""
    for orders in thought_of:
        if not set(orders) <= set(given):
            harm = play(course, given + orders, harm_max=best.harm).harm()
            if harm < best.harm:
                best, chosen = Result(harm, given + orders), orders
    return best, chosen


def remedies(course: Course, fault: Fault) -> list[tuple[Order, ...]]:
    """What an operator who knows the fault would think of.

    Each action that the catalogue names is one, on the whole of each component concerned or, where
    a few replicas are ill, on these alone; and so is the sequence of all that is right. Too many
    requests are everybody's trouble: then there is more of everything.
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
    if fault.kind == "overload":
        found += _grown(course, at_s)
    return found


def _grown(course: Course, at_s: float) -> list[tuple[Order, ...]]:
    """All that can be scaled, once and again: the bottleneck moves."""
    ours = [each.name for each in course.estate.services if "scale" in ACTIONS_OF[each.kind]]
    once = tuple(Order(at_s, "scale", name) for name in ours)
    again = tuple(Order(at_s + _NEXT_S, "scale", name) for name in ours)
    doors = _doors(course.estate)
    shed = tuple(Order(at_s, "shed", name) for name in doors)
    return [once, once + again, shed + once, shed + once + again]


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
    if "component" in on:
        sets.append(tuple(components))
    if (
        "replica" in on
        and fault.entry.seat == "replicas"
        and (fault.share < 1.0 or "*" in fault.target)
    ):
        sets.append(tuple(_ill_replicas(course, fault, components)))
    possible = [
        tuple(each for each in targets if name in actions_on(course.estate, each))
        for targets in sets
    ]
    return [targets for targets in possible if targets]


def _components(course: Course, fault: Fault, name: str) -> list[str]:
    estate = course.estate
    callers = [edge.caller for edge in estate.edges_into(fault.target) if edge.caller != USERS]
    match fault.entry.seat:
        case "edge":
            return [fault.target.partition(">")[0]]
        case "clients":
            return list(dict.fromkeys(callers))
        case "traffic":
            return _doors(estate)
        case _ if fault.target == "*":
            return [
                each.name
                for each in estate.services
                if each.replicas > 1 and each.kind != "external"
            ]
        case _ if name == "degrade":
            return list(dict.fromkeys(callers))
        case _:
            return [fault.target]


def _doors(estate: Estate) -> list[str]:
    """Where users come in."""
    return list(dict.fromkeys(edge.callee for edge in estate.edges if edge.caller == USERS))


def _ill_replicas(course: Course, fault: Fault, components: Iterable[str]) -> Iterable[str]:
    for name in components:
        count = course.estate.service(name).replicas
        for number in range(1, max(1, round(fault.share * count)) + 1):
            yield f"{name}/{number}"
