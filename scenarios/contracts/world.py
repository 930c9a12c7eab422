"""What every world keeps: names that fit together, and nothing left when one leaves."""

from __future__ import annotations

import inspect
from collections import Counter

from ...agents.ports import Sample, World
from .base import Contract, demand

_NOBODY = "nobody-of-this-name"


class WorldContract(Contract):
    """Suite for worlds; subclass it and give `world`, a fresh one at each call.

    A world that needs threads, processes or the network sets ``in_virtual_time = False``.
    """

    def world(self) -> World:
        """A world that nobody has entered."""
        raise NotImplementedError("a suite for worlds says what one is")

    def test_its_components_have_names_of_their_own(self) -> None:
        """Everything is addressed by them."""
        names = Counter(each.name for each in self.world().components)
        demand(names, "it has no components; there is nothing to heal")
        double = [name for name, count in names.items() if count > 1]
        demand(not double, f"several components are called {', '.join(double)}")

    def test_dependencies_are_components_and_nobody_needs_itself(self) -> None:
        """Blame follows them."""
        world = self.world()
        known = {each.name for each in world.components}
        for each in world.components:
            missing = sorted({*each.depends_on} - known)
            demand(not missing, f"{each.name} depends on {', '.join(missing)}, which is not there")
            demand(each.name not in each.depends_on, f"{each.name} depends on itself")

    def test_probes_look_at_components_and_have_names_of_their_own(self) -> None:
        """A sample is known by target and probe."""

        async def body() -> None:
            async with self.world() as world:
                known = {each.name for each in world.components}
                seen: Counter[tuple[str, str]] = Counter()
                for probe in world.probes:
                    component = probe.target.rpartition(">")[2].partition("/")[0]
                    demand(component in known, f"a probe looks at {probe.target!r}: nobody's name")
                    demand(probe.every_s > 0, f"{probe.target}: every_s is {probe.every_s:g}")
                    demand(probe.timeout_s > 0, f"{probe.target}: timeout_s is {probe.timeout_s:g}")
                    seen[probe.target, probe.name] += 1
                double = [f"{a} {b}" for (a, b), count in seen.items() if count > 1]
                demand(not double, f"several probes are called {', '.join(double)}")

        self.run(body())

    def test_probes_answer_with_samples(self) -> None:
        """Raising means no data; a probe of a healthy world has some, or says why not."""

        async def body() -> None:
            async with self.world() as world:
                for probe in world.probes:
                    try:
                        found = probe.read()
                        sample = await found if inspect.isawaitable(found) else found
                    except Exception as error:  # noqa: BLE001  A probe may be anybody's.
                        demand(str(error), f"{probe.target}: {error!r} does not say why")
                    else:
                        demand(isinstance(sample, Sample), f"{probe.target}: {sample!r} is none")

        self.run(body())

    def test_actions_are_found_by_their_names(self) -> None:
        """And what takes one back is there as well."""

        async def body() -> None:
            async with self.world() as world:
                for component in world.components:
                    actions = world.actions(component.name)
                    for name, action in actions.items():
                        where = f"{name} of {component.name}"
                        demand(action.name == name, f"{where} says that it is {action.name!r}")
                        demand(action.timeout_s > 0, f"{where}: timeout_s {action.timeout_s:g}")
                        known = not action.undo or action.undo in actions
                        demand(known, f"{where} is taken back by {action.undo!r}: not there")

        self.run(body())

    def test_nobody_has_no_actions(self) -> None:
        """An empty target means nothing, and never everything."""

        async def body() -> None:
            async with self.world() as world:
                for target in ("", "*", _NOBODY):
                    actions = world.actions(target)
                    demand(not actions, f"{target!r} has actions: {', '.join(actions)}")

        self.run(body())

    def test_a_stray_heartbeat_is_borne(self) -> None:
        """Anybody may send one."""

        async def body() -> None:
            async with self.world() as world:
                world.heartbeat(_NOBODY, {"queue": 1.0})

        self.run(body())

    def test_it_can_be_entered_and_left(self) -> None:
        """With nothing left running."""

        async def body() -> None:
            world = self.world()
            async with world as entered:
                demand(entered is world, "entering it gives something else")

        self.run(body())
