from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from mendel.core.detection.forecast import Forecast, ForecastConfig, Forecaster, Tally
from mendel.errors import ConfigError

SEEDS = range(12)


def noise(seed: int, count: int, size: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.0, size, count)


def followed(values: Iterable[float], every_s: float = 1.0) -> tuple[Forecaster, list[Forecast]]:
    """A forecaster after a series with the limit 1, and all it has told."""
    forecaster = Forecaster(ForecastConfig(), every_s)
    told = [forecaster.take(float(each), 1.0, i * every_s) for i, each in enumerate(values)]
    return forecaster, [each for each in told if each is not None]


def a_leak(seed: int, *, length: int = 1200, size: float = 0.02) -> list[float]:
    """It grows from 0.3 to 1.0 in so many samples."""
    return list(0.3 + 0.7 * np.arange(1.2 * length) / length + noise(seed, int(1.2 * length), size))


class TestForecaster:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_leak_is_seen_in_time_and_when_it_ends_lies_within_the_interval(
        self, seed: int
    ) -> None:
        forecaster, told = followed(a_leak(seed))

        assert forecaster.tally.held == forecaster.tally.made >= 1
        assert told[0].made_s < 1000.0
        assert told[0].early_s < 1200.0 < told[0].late_s
        assert told[0].per_s == pytest.approx(0.7 / 1200.0, rel=0.3)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_clean_series_has_no_forecast(self, seed: int) -> None:
        scatter = 0.7 + noise(seed, 3000, 0.05)
        slow = 0.7 + np.convolve(noise(seed, 3100, 0.02), np.ones(101) / 10.0, "valid")[:3000] / 5

        for values in (scatter, slow):
            forecaster, told = followed(values)
            assert (told, forecaster.tally) == ([], Tally())

    @pytest.mark.parametrize("seed", SEEDS)
    def test_teeth_are_known_for_what_they_are_after_two_of_them(self, seed: int) -> None:
        tooth = 50 + 20 * seed
        teeth = 0.5 + 0.4 * (np.arange(6000) % tooth) / tooth

        _, told = followed(teeth + noise(seed, 6000, 0.01))

        assert all(each.made_s < 2.0 * tooth for each in told)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_leak_is_seen_through_the_teeth_of_a_collector(self, seed: int) -> None:
        steps = np.arange(4000)
        teeth = 0.1 * (steps % 60) / 60.0
        leak = 0.3 + 0.6 * steps / 3600.0

        forecaster, told = followed(leak + teeth + noise(seed, 4000, 0.005))

        assert forecaster.tally.missed <= 1
        assert told[-1].late_s >= 3500.0

    def test_what_is_foreseen_at_three_seconds_is_foreseen_at_a_minute(self) -> None:
        for every_s in (3.0, 60.0):
            _, told = followed(a_leak(1), every_s)

            assert told[0].early_s < 1200.0 * every_s < told[0].late_s

    def test_samples_that_come_seldom_are_not_taken_for_steps(self) -> None:
        forecaster = Forecaster(ForecastConfig())
        values = a_leak(1, length=120)

        told = [forecaster.take(each, 1.0, 10.0 * i) for i, each in enumerate(values)]

        found = [each for each in told if each is not None]
        assert all(each.early_s < 1200.0 < each.late_s for each in found)

    def test_after_a_long_gap_it_begins_anew(self) -> None:
        forecaster = Forecaster(ForecastConfig())
        for step in range(300):
            forecaster.take(0.5 + 0.001 * step, 1.0, float(step))

        assert forecaster.take(0.85, 1.0, 200_000.0) is None

    @pytest.mark.parametrize("silence_s", [0.5, 5.0, 60.0, 1e6])
    def test_the_first_sample_after_it_was_acted_on_may_take_its_time(
        self, silence_s: float
    ) -> None:
        forecaster = Forecaster(ForecastConfig())
        forecaster.take(1.0, 100.0, 0.0)
        forecaster.forget(1.0)

        assert forecaster.take(1.0, 100.0, 1.0 + silence_s) is None

    def test_below_half_of_the_limit_nothing_is_foreseen(self) -> None:
        _, told = followed(np.linspace(0.1, 0.49, 2000))

        assert told == []

    def test_what_was_acted_on_is_no_error(self) -> None:
        forecaster, told = followed(a_leak(3)[:1000])
        assert told

        forecaster.forget(1000.0)
        forecaster.forget(1001.0)

        assert forecaster.tally == Tally(made=1, prevented=1)

    def test_a_trend_that_ends_before_the_limit_was_a_false_one(self) -> None:
        grows = a_leak(3)[:1000]

        forecaster, _ = followed([*grows, *[grows[-1]] * 2000])

        assert forecaster.tally.missed == forecaster.tally.made == 1

    def test_what_stays_at_its_limit_is_not_forecast_again(self) -> None:
        forecaster, _ = followed([*a_leak(2)[:1200], *(0.99 + noise(2, 2000, 0.02))])

        assert forecaster.tally.made == 1

    def test_a_rise_as_on_every_day_is_no_trend_from_the_second_day_on(self) -> None:
        minutes = np.arange(6 * 1440)
        daily = 0.6 + 0.3 * np.sin(2.0 * np.pi * minutes / 1440.0) + noise(1, len(minutes), 0.01)
        first, _ = followed(daily[:1440], 60.0)

        whole, told = followed(daily, 60.0)

        assert whole.tally.made - first.tally.made <= 1
        assert all(each.made_s < 2.5 * 86_400.0 for each in told)

    def test_counts_add_up(self) -> None:
        sum_ = Tally(made=1, held=1)

        sum_.add(Tally(made=3, held=1, missed=1, prevented=1))

        assert sum_ == Tally(made=4, held=2, missed=1, prevented=1)


class TestWhatOutlastsARun:
    def at(self, forecaster: Forecaster, values: Iterable[float], from_s: float) -> list[Forecast]:
        told = [forecaster.take(each, 1.0, from_s + i) for i, each in enumerate(values)]
        return [each for each in told if each is not None]

    def test_a_trend_goes_on_in_a_run_that_counts_from_another_moment(self) -> None:
        grows = [0.2 + 0.005 * step for step in range(150)]
        first, told = followed(grows[:130])
        second = Forecaster(ForecastConfig())

        second.restore(first.save(), 120.0)  # Its clock stands at 10 s.

        ahead, *_ = self.at(second, grows[130:135], 10.0)
        before, *_ = self.at(first, grows[130:135], 130.0)
        assert told
        assert ahead.early_s + 120.0 == pytest.approx(before.early_s, abs=1.0)
        assert ahead.late_s + 120.0 == pytest.approx(before.late_s, abs=1.0)

    def test_what_a_day_looks_like_is_known_again(self) -> None:
        step_s = 300.0
        days = [0.5 + 0.4 * math.sin(step / 288 * math.tau) for step in range(4 * 288)]
        first, _ = followed(days[: 3 * 288], step_s)
        second = Forecaster(ForecastConfig(), step_s)

        second.restore(first.save(), 3 * 86_400.0)

        last = enumerate(days[3 * 288 :])
        assert [each for i, value in last if (each := second.take(value, 1.0, i * step_s))] == []

    def test_falls_and_tallies_are_kept(self) -> None:
        teeth = [0.5 + 0.4 * (step % 50) / 50 for step in range(300)]
        first, _ = followed(teeth)
        second = Forecaster(ForecastConfig())

        second.restore(first.save(), 100.0)

        state, restored = first.save(), second.save()
        assert restored["tally"] == state["tally"]
        assert [at_s + 100.0 for at_s, _ in restored["falls"]] == [at for at, _ in state["falls"]]
        assert len(restored["falls"]) == 5

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"version": 9}, "has version 9, this one reads 1"),
            ({"series": []}, "is damaged"),
            ({"day": {"usual": [1.0]}}, "is damaged"),
        ],
    )
    def test_a_state_that_cannot_be_read_is_refused(
        self, change: dict[str, object], complaint: str
    ) -> None:
        first, _ = followed([0.5] * 50)

        with pytest.raises(ConfigError, match=complaint):
            Forecaster(ForecastConfig()).restore(first.save() | change)
