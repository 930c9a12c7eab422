import random

import pytest
from mendel.core.circuits.adaptive import Adaptation, AdaptiveConfig, Baseline, Foresight, Tick
from mendel.core.circuits.circuit import Circuit, CircuitConfig, Outcome, State


class Traffic:
    """Fifty calls per second to a target, as one circuit sees them."""

    def __init__(self, seed: int = 0, base: CircuitConfig | None = None, **settings: float) -> None:
        config = base or CircuitConfig(window_calls=100, minimum_calls=50, ramp_calls=0)
        self.random = random.Random(seed)
        self.circuit = Circuit("db", config)
        adaptive = AdaptiveConfig(**settings)  # type: ignore[arg-type]
        self.adaptation = Adaptation(self.circuit, adaptive, now_s=0.0)
        self.now_s = 0.0
        self.opened_s: list[float] = []

    def play(self, seconds: float, failing: float, rise: float = 0.0, slower: float = 1.0) -> None:
        """Play; ``rise`` is added to the failing fraction per second."""
        for index in range(int(seconds * 50)):
            self.now_s += 0.02
            share = failing + rise * index * 0.02
            failed = self.random.random() < share
            duration_s = 0.1 * slower * self.random.uniform(0.8, 1.2)
            self.call(failed, duration_s)

    def call(self, failed: bool, duration_s: float) -> None:
        before = self.circuit.counts.opened
        granted = self.circuit.acquire(self.now_s)
        if granted is None:
            return
        slow_call_s = self.circuit.config.slow_call_s
        outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
        if not failed and slow_call_s is not None and duration_s >= slow_call_s:
            outcome = Outcome.SLOW
        granted.record(outcome, self.now_s)
        self.adaptation.record(outcome, duration_s, self.now_s)
        if self.circuit.counts.opened > before:
            self.opened_s.append(self.now_s)


class TestBaseline:
    def test_a_target_that_never_fails_is_cut_off_sooner(self) -> None:
        traffic = Traffic()
        traffic.play(60.0, failing=0.0)

        assert traffic.circuit.config.failure_rate == 0.2
        assert traffic.circuit.config.slow_call_s == pytest.approx(0.4, rel=0.05)

    def test_a_target_that_always_fails_a_little_is_given_more_room(self) -> None:
        traffic = Traffic()
        traffic.play(120.0, failing=0.1)

        assert 0.2 < traffic.circuit.config.failure_rate < 0.4
        assert traffic.opened_s == []

    def test_the_bounds_of_the_operator_hold(self) -> None:
        base = CircuitConfig(failure_rate=0.3, slow_call_s=0.25)
        baseline = Baseline()
        for _ in range(50):
            baseline.learn(Tick(failed=0.25, slow=0.0, duration_s=0.1))

        adapted = baseline.adapt(base, AdaptiveConfig())

        assert (adapted.failure_rate, adapted.slow_call_s) == (0.3, 0.25)

    def test_an_outage_is_not_learned_as_normal(self) -> None:
        traffic = Traffic()
        traffic.play(60.0, failing=0.0)
        traffic.play(120.0, failing=0.6)

        assert traffic.adaptation.baseline.failed < 0.01

    def test_a_lasting_slow_down_opens_it(self) -> None:
        traffic = Traffic()
        traffic.play(60.0, failing=0.0)
        traffic.play(5.0, failing=0.0, slower=6.0)

        assert traffic.circuit.state is not State.CLOSED

    def test_cancelled_calls_and_a_new_base_keep_what_was_learned(self) -> None:
        traffic = Traffic()
        traffic.play(60.0, failing=0.0)
        learned = traffic.adaptation.baseline.ticks
        traffic.adaptation.record(Outcome.NEUTRAL, 0.1, traffic.now_s)

        base = CircuitConfig(failure_rate=0.1, window_calls=50)
        traffic.adaptation.rebase(base, AdaptiveConfig(), traffic.now_s)

        assert traffic.adaptation.baseline.ticks == learned
        assert traffic.circuit.config.failure_rate == 0.1
        assert traffic.circuit.config.window_calls == 50

    def test_a_tick_of_failures_only_has_no_duration_of_its_own(self) -> None:
        traffic = Traffic(tick_calls=1)
        traffic.play(60.0, failing=0.0)
        usual_s = traffic.adaptation.baseline.duration_s

        traffic.play(2.0, failing=1.0)

        assert traffic.adaptation.baseline.duration_s == pytest.approx(usual_s)


class TestForesight:
    def test_a_steady_rise_is_seen_before_it_arrives(self) -> None:
        foresight = Foresight(AdaptiveConfig(horizon_s=5.0))

        said = [foresight.update(0.05 * second, float(second)) for second in range(20)]

        assert 4 <= said.index(True) <= 17

    def test_noise_and_a_level_that_stays_are_no_rise(self) -> None:
        foresight = Foresight(AdaptiveConfig(horizon_s=5.0))
        draws = random.Random(1)

        said = [foresight.update(draws.uniform(0.0, 0.4), float(second)) for second in range(2_000)]

        assert sum(said) == 0

    def test_is_trusted_after_enough_forecasts_of_which_few_were_false(self) -> None:
        foresight = Foresight(AdaptiveConfig(forecasts_min=20, false_open_max=0.2))
        assert foresight.false_bound == 1.0
        trusted = []
        for index in range(40):
            foresight.say(float(index))
            foresight.grade(reached=True, now_s=float(index))
            trusted.append(foresight.is_trusted)

        assert trusted.index(True) == 19
        for _ in range(8):
            foresight.settle(came_true=False)
        assert not foresight.is_trusted

    def test_one_forecast_is_graded_once_and_in_time(self) -> None:
        foresight = Foresight(AdaptiveConfig(horizon_s=5.0))
        foresight.grade(reached=True, now_s=0.0)
        foresight.say(1.0)
        foresight.say(2.0)
        foresight.grade(reached=False, now_s=5.9)
        assert (foresight.true, foresight.false) == (0, 0)

        foresight.grade(reached=False, now_s=6.0)
        foresight.grade(reached=True, now_s=6.1)

        assert (foresight.true, foresight.false) == (0, 1)


def degrade(traffic: Traffic, times: int) -> None:
    """The target falls ill slowly, and is well again after a while."""
    for _ in range(times):
        traffic.play(40.0, failing=0.0)
        traffic.play(20.0, failing=0.0, rise=0.03)


class TestOpeningAhead:
    def test_begins_in_shadow_and_acts_when_it_has_proved_itself(self) -> None:
        traffic = Traffic(forecasts_min=5, false_open_max=0.4)

        degrade(traffic, times=4)
        in_shadow = traffic.adaptation.opened_ahead
        degrade(traffic, times=10)

        assert in_shadow == 0
        assert traffic.adaptation.opened_ahead >= 3

    def test_opens_before_the_plain_circuit_would(self) -> None:
        plain: list[float] = []
        ahead: list[float] = []
        for seed in range(5):
            shadow = Traffic(seed, forecasts_min=10_000)
            acting = Traffic(seed, forecasts_min=1, false_open_max=0.99)
            acting.adaptation.foresight.true = 50
            for traffic, opened in ((shadow, plain), (acting, ahead)):
                traffic.play(60.0, failing=0.0)
                traffic.play(20.0, failing=0.0, rise=0.02)
                opened.append(traffic.opened_s[0])

        assert all(early <= late for early, late in zip(ahead, plain, strict=True))
        assert sum(ahead) / 5 <= sum(plain) / 5 - 0.5

    @pytest.mark.parametrize("failing", [0.0, 0.02, 0.1])
    def test_a_healthy_target_is_hardly_ever_cut_off_on_a_forecast(self, failing: float) -> None:
        opened = hours = 0.0
        for seed in range(2):
            traffic = Traffic(seed, forecasts_min=1, false_open_max=0.5)
            traffic.adaptation.foresight.true = 50  # As if it had proved itself.
            traffic.play(450.0, failing=failing)
            opened += traffic.adaptation.opened_ahead
            hours += 450.0 / 3450.0

        assert opened / hours <= 2.0

    def test_false_openings_send_it_back_into_its_shadow(self) -> None:
        traffic = Traffic(forecasts_min=5, false_open_max=0.4)
        foresight = traffic.adaptation.foresight
        foresight.true = 6
        traffic.play(60.0, failing=0.0)
        for _ in range(20):  # Rises that end by themselves, short of the limit.
            traffic.play(4.0, failing=0.0, rise=0.0425)
            traffic.play(30.0, failing=0.0)

        assert not foresight.is_trusted
        acted = traffic.adaptation.opened_ahead
        assert acted > 0
        for _ in range(10):
            traffic.play(4.0, failing=0.0, rise=0.0425)
            traffic.play(30.0, failing=0.0)
        assert traffic.adaptation.opened_ahead == acted
