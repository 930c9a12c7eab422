"""Who is restarted when a child of a supervisor ends, in what order, how soon, and when to give up.

A child is *running*, *waiting* for its restart, or *ended* for good. What moves it on is its exit:

- ``temporary`` children end with any exit, ``transient`` ones with an exit without error,
  ``permanent`` ones never. The others are restarted, alone (``one_for_one``), with all their
  siblings (``one_for_all``) or with those that were started after them (``rest_for_one``), because
  those may have relied on it. A group is stopped in reverse order and started in order; a temporary
  sibling is stopped with its group and ends.
- Each failure in a row doubles the pause before the restart; who has run for a while starts afresh.
  The pause is shortened at random, so that what fell together does not get up together.
- More restarts in a period than are allowed mean that restarting does not help: the supervisor
  gives up, stops everything and fails itself, so that whoever supervises *it* has to act.

To count failures per child was turned down: of children that bring each other down, none is over
the limit while together they restart forever.

Source:
    Erlang/OTP, ``supervisor`` in the manual of stdlib: types of restart, strategies, intensity.
    The pauses, which OTP does not have: M. Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..errors import ConfigError

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

_DOUBLINGS_MAX = 60  # 2.0**60 s is past any limit; far more would overflow a float.


class ChildSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one child is supervised.

    Attributes:
        name: unique among its siblings.
        restart: ``permanent``: always; ``transient``: after an error; ``temporary``: never.
        shutdown_s: how long it may take to stop before it is left behind. A child that is a
            supervisor needs more than its own ``SupervisorSpec.shutdown_s``.
    """

    name: str
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    shutdown_s: Annotated[float, Meta(ge=0)] = 0.5


class SupervisorSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a group of children is supervised.

    Attributes:
        strategy: who is restarted with a child that failed.
        max_restarts: restarts that are allowed ...
        period_s: ... in this time; a group counts once. One more, and the supervisor gives up.
        first_delay_s: pause before the first restart in a row.
        max_delay_s: longest pause.
        jitter_share: by how much of itself a pause may be shortened at random.
        stable_s: who has run this long begins with the first pause again.
        shutdown_s: how long stopping all children may take together.
    """

    strategy: Strategy = "one_for_one"
    # Five in a row, with the pauses between them, take about four seconds: enough for what heals
    # by being tried again, and a crash loop is handed up before anyone misses its agent for long.
    max_restarts: Annotated[int, Meta(ge=0)] = 5
    period_s: Annotated[float, Meta(gt=0)] = 30.0
    first_delay_s: Annotated[float, Meta(ge=0)] = 0.1  # As systemd's RestartSec.
    max_delay_s: Annotated[float, Meta(ge=0)] = 10.0
    jitter_share: Annotated[float, Meta(ge=0, le=1)] = 0.25
    stable_s: Annotated[float, Meta(gt=0)] = 10.0
    # The whole program has two seconds to stop.
    shutdown_s: Annotated[float, Meta(ge=0)] = 1.5

    def __post_init__(self) -> None:
        if self.first_delay_s > self.max_delay_s:
            raise ConfigError(
                f"first_delay_s={self.first_delay_s:g} exceeds max_delay_s={self.max_delay_s:g}"
            )


class Ended(Struct, frozen=True):
    """The child is not restarted; its siblings run on."""


class Restarted(Struct, frozen=True):
    """Stop some, wait, start some.

    Attributes:
        stop: siblings to stop, in this order; those that do not run are passed over.
        start: children to start, in this order.
        delay_s: pause between the two.
    """

    stop: tuple[str, ...]
    start: tuple[str, ...]
    delay_s: float


class GivenUp(Struct, frozen=True):
    """Stop everything, and fail.

    Attributes:
        reason: how many restarts there were, and how many are allowed.
    """

    reason: str


Verdict = Ended | Restarted | GivenUp


class Restarts:
    """Decides what follows from the exit of a child.

    Args:
        spec: how the group is supervised.
        chance: the next random number, 0 <= x < 1, of a seeded generator.
    """

    def __init__(self, spec: SupervisorSpec, chance: Callable[[], float]) -> None:
        self.spec = spec
        self._chance = chance
        self._children: dict[str, ChildSpec] = {}
        self._started_s: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._restarts_s: deque[float] = deque(maxlen=spec.max_restarts + 1)

    def add(self, child: ChildSpec) -> None:
        """Know one more child, the last in the order.

        Raises:
            ConfigError: there is a child of this name.
        """
        if child.name in self._children:
            raise ConfigError(f"there is a child {child.name!r} already; give it another name")
        self._children[child.name] = child

    def remove(self, name: str) -> None:
        """Forget a child; one that is not known is no error."""
        self._children.pop(name, None)
        self._started_s.pop(name, None)
        self._failures.pop(name, None)

    def on_started(self, name: str, now_s: float) -> None:
        """A child runs."""
        self._started_s[name] = now_s

    def on_exit(self, name: str, *, failed: bool, now_s: float) -> Verdict:
        """Decide what follows from the end of a child that was meant to run.

        Args:
            name: which child.
            failed: whether with an error; being killed is one.
            now_s: loop time.
        """
        kind = self._children[name].restart
        if kind == "temporary":
            self.remove(name)
            return Ended()
        if kind == "transient" and not failed:
            return Ended()
        self._restarts_s.append(now_s)
        if self._is_too_often(now_s):
            return GivenUp(
                f"{self.spec.max_restarts + 1} restarts in {now_s - self._restarts_s[0]:.3g} s; "
                f"allowed are {self.spec.max_restarts} in {self.spec.period_s:g} s"
            )
        return self._restart(name, now_s)

    def _is_too_often(self, now_s: float) -> bool:
        full = len(self._restarts_s) > self.spec.max_restarts
        return full and now_s - self._restarts_s[0] <= self.spec.period_s

    def _restart(self, name: str, now_s: float) -> Restarted:
        group = self._group(name)
        for each in group:
            if self._children[each].restart == "temporary":
                self.remove(each)
        return Restarted(
            stop=tuple(each for each in reversed(group) if each != name),
            start=tuple(each for each in group if each in self._children),
            delay_s=self._delay_s(name, now_s),
        )

    def _group(self, name: str) -> list[str]:
        if self.spec.strategy == "one_for_one":
            return [name]
        order = list(self._children)
        first = order.index(name) if self.spec.strategy == "rest_for_one" else 0
        return order[first:]

    def _delay_s(self, name: str, now_s: float) -> float:
        if now_s - self._started_s[name] >= self.spec.stable_s:
            self._failures[name] = 0
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        longest_s = self.spec.first_delay_s * 2.0 ** min(failures, _DOUBLINGS_MAX)
        return min(longest_s, self.spec.max_delay_s) * (
            1.0 - self.spec.jitter_share * self._chance()
        )
