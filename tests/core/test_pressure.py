"""What mendel does without when it has little to work with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mendel.core.pressure import STEPS, Pressure, ResourcesConfig, Usage

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
