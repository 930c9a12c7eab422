"""What mendel does without when it has little to work with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mendel.core.pressure import (
    STEPS,
    AgentAllowance,
    Allowance,
    Excess,
    Portion,
    Portions,
    Pressure,
    ResourcesConfig,
    Usage,
)

TIGHT, CALM = Usage(cpu_share=0.9), Usage(cpu_share=0.1)


def a_pressure(**fields: object) -> Pressure:
    values: dict[str, object] = {"cpu_share": 0.5, "calm_s": 10.0, **fields}
    return Pressure(ResourcesConfig(**values))  # type: ignore[arg-type]


def steps(pressure: Pressure, *usages: Usage, from_s: float = 0.0) -> list[int]:
    """The step after each measurement, one second apart."""
    found = []
    for number, usage in enumerate(usages):
        pressure.update(usage, from_s + number)
        found.append(pressure.relief.step)
    return found


class TestPressed:
    def test_one_thing_after_the_other_is_given_up_evolution_first_and_healing_never(self) -> None:
        pressure = a_pressure()

        assert steps(pressure, *[TIGHT] * 8) == [1, 2, 3, 4, 5, 6, 6, 6]
        assert not STEPS[1].evolves
        assert [each.stretch for each in STEPS] == [1.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
        ceilings = [each.ceiling for each in STEPS]
        assert ceilings == ["full"] * 5 + ["advanced", "basic"]

    def test_levels_stay_where_they_may_not_be_lowered(self) -> None:
        assert steps(a_pressure(lower_levels=False), *[TIGHT] * 6) == [1, 2, 3, 4, 4, 4]

    def test_the_reason_names_the_limit_and_what_was_found(self) -> None:
        pressure = a_pressure(tasks=10)

        assert pressure.update(Usage(cpu_share=0.9, tasks=11), 0.0)
        assert pressure.reasons == ("cpu_share is 0.9, limit 0.5", "tasks is 11, limit 10")

    def test_no_limit_holds_nothing_back(self) -> None:
        free = ResourcesConfig(lag_s=None, mailbox_age_s=None)

        assert not Pressure(free).update(Usage(cpu_share=9.0, memory_bytes=10**12, lag_s=60.0), 0.0)

    def test_at_the_last_step_nothing_changes_any_more(self) -> None:
        pressure = a_pressure()
        steps(pressure, *[TIGHT] * 6)

        assert not pressure.update(TIGHT, 6.0)


class TestCalm:
    def test_things_are_taken_up_again_one_by_one_when_it_has_been_calm_for_a_time(self) -> None:
        pressure = a_pressure()
        steps(pressure, TIGHT, TIGHT)

        found = steps(pressure, *[CALM] * 23, from_s=2.0)

        assert found == [2] * 10 + [1] * 10 + [0] * 3

    def test_just_below_the_limit_is_not_calm(self) -> None:
        pressure = a_pressure()
        steps(pressure, TIGHT)

        assert set(steps(pressure, *[Usage(cpu_share=0.45)] * 30, from_s=1.0)) == {1}

    def test_a_moment_of_pressure_begins_the_wait_anew(self) -> None:
        pressure = a_pressure()
        steps(pressure, TIGHT)

        found = steps(pressure, *[CALM] * 9, Usage(cpu_share=0.45), *[CALM] * 11, from_s=1.0)

        assert found == [1] * 20 + [0]

    def test_levels_come_back_at_once_when_they_may_not_be_lowered_any_more(self) -> None:
        pressure = a_pressure()
        steps(pressure, *[TIGHT] * 6)
        pressure.config = ResourcesConfig(cpu_share=0.5, lower_levels=False)

        assert steps(pressure, CALM, from_s=6.0) == [4]


@given(st.lists(st.floats(0, 1), max_size=200))
def test_a_step_never_skips_another(shares: list[float]) -> None:
    pressure = a_pressure()
    before = 0

    for step in steps(pressure, *[Usage(cpu_share=share) for share in shares]):
        assert abs(step - before) <= 1
        before = step


class TestPortions:
    PACE = ResourcesConfig(calm_s=2.0)
    LIMITS = Allowance(cpu_share=0.2, tasks=10)

    def used(self, **shares: float) -> dict[str, Portion]:
        return {name: Portion(cpu_share=share) for name, share in shares.items()}

    def test_only_who_uses_too_much_goes_up_and_says_why(self) -> None:
        portions = Portions()

        found = portions.update(self.used(db=0.3, cart=0.1), self.LIMITS, 5, self.PACE, 0.0)

        assert found == [Excess("db", 1, ("cpu_share is 0.3, limit 0.2",))]
        assert (portions.steps, portions.excesses) == ({"db": 1}, {"db": 1, "cart": 0})

    def test_step_by_step_up_to_the_last_and_back_when_calm(self) -> None:
        portions = Portions()
        shares = [0.3] * 4 + [0.1] * 7

        found = [
            [each.step for each in portions.update(self.used(db=x), self.LIMITS, 3, self.PACE, s)]
            for s, x in enumerate(shares)
        ]

        assert found == [[1], [2], [3], [], [], [], [2], [], [1], [], [0]]
        assert (portions.steps, portions.excesses["db"]) == ({}, 4)

    def test_who_is_gone_is_forgotten(self) -> None:
        portions = Portions()
        portions.update(self.used(db=0.3), self.LIMITS, 3, self.PACE, 0.0)

        assert portions.update(self.used(cart=0.0), self.LIMITS, 3, self.PACE, 1.0) == []
        assert (portions.steps, set(portions.excesses)) == ({}, {"cart"})

    def test_without_limits_nobody_is_held_back(self) -> None:
        used = {"db": Portion(cpu_share=9.0, memory_bytes=10**12, tasks=10**6, waiting=10**6)}

        assert Portions().update(used, AgentAllowance(), 3, self.PACE, 0.0) == []


def test_the_lowest_ceiling_holds_but_for_those_that_keep_their_level() -> None:
    config = ResourcesConfig(keep_levels=("db",))

    ceiling = config.ceiling(STEPS[5], {"cart": STEPS[6], "db": STEPS[6], "web": STEPS[1]})

    under = {name: ceiling.under(name, "full") for name in ("cart", "db", "web", "api")}
    assert under == {"cart": "basic", "db": "full", "web": "advanced", "api": "advanced"}
    assert ceiling.under("api", "basic") == "basic"
