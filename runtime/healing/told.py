"""The world of a program that tells its metrics itself, and gives its actions as functions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, cast

from msgspec import Struct

from ...agents.ports import Action, ActionResult, IntentStatus, Probe, Sample, World
from ...core.records import IntentRecord
from ...core.topology import Annotation, Component
from ...errors import ConfigError, NoData

# A plain function that does something: nothing or True is success, False is failure.
Deed = Callable[[], Awaitable[object] | object]

TOLD = "told"

# What leaves a target running and whole; plain functions of these names cost no capacity.
_GENTLE = frozenset(
    {"notify", "isolate", "release", "shed", "unshed", "degrade", "restore", "retry_budget"}
)
_REMEMBERED = 100


class Manner(Struct, frozen=True, kw_only=True):
    """What is known of actions that are plain functions.

    Attributes:
        timeout_s: how long one may take.
        settle_s: how long its effect may take to show.
    """

    timeout_s: float = 30.0
    settle_s: float = 10.0


class ToldProbe:
    """Reads what was told last, once.

    Attributes:
        target: whom it is about.
        every_s: how often something is told.
    """

    name = TOLD
    timeout_s = 1.0

    def __init__(self, target: str, every_s: float) -> None:
        self.target = target
        self.every_s = every_s
        self.told: Sample | None = None

    def read(self) -> Sample:
        """What was told since the last look.

        Raises:
            NoData: nothing was.
        """
        told, self.told = self.told, None
        if told is None:
            raise NoData(f"nothing was told of {self.target} since the last look")
        return told


class ToldAction:
    """A plain function as an action.

    Args:
        name: of the action.
        deed: the function, asynchronous or quick.
        manner: what is known of it.
    """

    undo = ""

    def __init__(self, name: str, deed: Deed, manner: Manner) -> None:
        self.name = name
        self.disruptive = name not in _GENTLE
        self.timeout_s = manner.timeout_s
        self.settle_s = manner.settle_s if self.disruptive else 0.0
        self._deed = deed
        self._runs: OrderedDict[str, bool] = OrderedDict()

    def before(self) -> dict[str, Any]:
        """Nothing is known of a function beforehand."""
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        """Call the function."""
        self._runs[intent.intent] = False
        if len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)
        found = self._deed()
        result = await found if isawaitable(found) else found
        self._runs[intent.intent] = True
        return result if isinstance(result, ActionResult) else ActionResult(result is not False)

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Whether it came to its end; one that was interrupted may have done anything."""
        done = self._runs.get(intent.intent)
        if done is None:
            return IntentStatus.NOT_DONE
        return IntentStatus.DONE if done else IntentStatus.UNKNOWN


class ToldWorld:
    """Components that are told of, beside those of another world if there is one.

    Args:
        beside: a world with probes and actions of its own.
    """

    def __init__(self, beside: World | None = None) -> None:
        self._beside = beside
        self._components = {each.name: each for each in (beside.components if beside else ())}
        self._told: dict[str, ToldProbe] = {}
        self._actions: dict[str, dict[str, Action]] = {}

    def add(
        self, component: Component, actions: Mapping[str, Deed | Action], manner: Manner
    ) -> None:
        """Take in a component, or what a program can do to one that is known.

        Raises:
            ConfigError: what is given as an action cannot be called.
        """
        self._components.setdefault(component.name, component)
        own = self._actions.setdefault(component.name, {})
        for name, deed in actions.items():
            own[name] = _action(component.name, name, deed, manner)

    def expect(self, target: str, every_s: float) -> None:
        """Something will be told of a target, so often."""
        self._told[target] = ToldProbe(target, every_s)

    def tell(self, target: str, sample: Sample) -> None:
        """Tell what the probe of the target reads next."""
        self._told[target].told = sample

    def is_told_of(self, target: str) -> bool:
        """Whether anybody tells of a target."""
        return target in self._told

    # --- the world ----------------------------------------------------------------------------

    @property
    def components(self) -> list[Component]:
        """All of them."""
        return list(self._components.values())

    @property
    def probes(self) -> list[Probe]:
        """Those of the other world, and what is told."""
        beside = self._beside.probes if self._beside else ()
        return [*beside, *self._told.values()]

    def actions(self, target: str) -> Mapping[str, Action]:
        """What can be done; a function of the program stands before an action of its name."""
        beside = self._beside.actions(target) if self._beside else {}
        return {**beside, **self._actions.get(target, {})}

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """A component reports itself."""
        if self._beside:
            self._beside.heartbeat(target, metrics)

    def annotation(self, target: str) -> Annotation:
        """What the other world knows of a component."""
        known = getattr(self._beside, "annotation", None)
        return Annotation() if known is None else cast("Annotation", known(target))

    async def __aenter__(self) -> ToldWorld:
        if self._beside:
            await self._beside.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._beside:
            await self._beside.__aexit__(*error)


def _action(target: str, name: str, deed: Any, manner: Manner) -> Action:
    if hasattr(deed, "run") and hasattr(deed, "status"):
        return cast("Action", deed)
    if callable(deed):
        return ToldAction(name, deed, manner)
    found = type(deed).__name__
    raise ConfigError(f"action {name!r} of {target!r} is a {found}; it must be a function")
