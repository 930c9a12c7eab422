"""The window against a naive one, and the whole machine under random interleavings."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mendel.bus.messages import CircuitChanged
from mendel.core.circuits.circuit import Circuit, CircuitConfig, Outcome, Pass, State

DECIDED = st.sampled_from([Outcome.SUCCESS, Outcome.SUCCESS, Outcome.FAILURE, Outcome.SLOW])
GAPS_S = st.sampled_from([0.0, 0.25, 1.0, 4.0])


@given(
    history=st.lists(st.tuples(DECIDED, GAPS_S), max_size=60),
    window_calls=st.integers(1, 12),
    window_s=st.sampled_from([None, 1.0, 5.0]),
    minimum_calls=st.integers(1, 12),
    failure_rate=st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    slow_call_rate=st.sampled_from([0.2, 0.5, 1.0]),
)
def test_the_window_decides_as_a_list_of_all_calls_would(
    history: list[tuple[Outcome, float]],
    window_calls: int,
    window_s: float | None,
    minimum_calls: int,
    failure_rate: float,
    slow_call_rate: float,
) -> None:
    minimum_calls = min(minimum_calls, window_calls)
    circuit = Circuit(
        "db",
        CircuitConfig(
            window_calls=window_calls,
            window_s=window_s,
            minimum_calls=minimum_calls,
            failure_rate=failure_rate,
            slow_call_rate=slow_call_rate,
        ),
    )
    seen: list[tuple[Outcome, float]] = []
    now_s = 0.0
    for outcome, gap_s in history:
        now_s += gap_s
        granted = circuit.acquire(now_s)
        assert granted is not None
        granted.record(outcome, now_s)
        seen.append((outcome, now_s))

        window = [
            each
            for each, at_s in seen[-window_calls:]
            if window_s is None or at_s > now_s - window_s
        ]
        failures = window.count(Outcome.FAILURE) / len(window)
        slow = window.count(Outcome.SLOW) / len(window)
        over = failures >= failure_rate or slow >= slow_call_rate
        opens = outcome is not Outcome.SUCCESS and len(window) >= minimum_calls and over
        assert (circuit.state is State.OPEN) == opens
        if opens:
            return


@given(trials=st.integers(1, 25), callers=st.integers(0, 120))
def test_a_trial_lets_in_so_many_callers_and_refuses_all_others(trials: int, callers: int) -> None:
    circuit = Circuit("db", CircuitConfig(permitted_calls=trials))
    circuit.force_open(0.0, "isolated")
    circuit.release(0.0)

    passes = [circuit.acquire(0.0) for _ in range(callers)]

    assert [each is not None for each in passes[:trials]] == [True] * min(trials, callers)
    assert passes[trials:] == [None] * max(callers - trials, 0)


ALLOWED = {
    ("closed", "open"),
    ("open", "half_open"),
    ("half_open", "open"),
    ("half_open", "closed"),
    ("closed", "forced_open"),
    ("open", "forced_open"),
    ("half_open", "forced_open"),
    ("forced_open", "forced_open"),
    ("forced_open", "half_open"),
}


class Interleavings(RuleBasedStateMachine):
    """Calls begin and end in any order while time runs, words are given and settings change."""

    @initialize(permitted=st.integers(1, 4), ramp_calls=st.sampled_from([0, 5]))
    def start(self, permitted: int, ramp_calls: int) -> None:
        self.events: list[CircuitChanged] = []
        self.config = CircuitConfig(
            window_calls=6,
            minimum_calls=3,
            permitted_calls=permitted,
            ramp_calls=ramp_calls,
            permit_s=4.0,
            slow_call_s=1.0,
        )
        self.circuit = Circuit("db", self.config, on_change=self.events.append)
        self.now_s = 0.0
        self.in_flight: list[Pass] = []
        self.begun_in_trial = 0
        self.changes_seen = 0

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def a_call_begins(self) -> None:
        granted = self.circuit.acquire(self.now_s)
        if len(self.events) != self.changes_seen:
            self.begun_in_trial = 0
        self.changes_seen = len(self.events)
        if granted is None:
            assert self.circuit.retry_after_s(self.now_s) >= 0.0
            return
        self.in_flight.append(granted)
        self.begun_in_trial += 1

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), outcome=st.sampled_from(list(Outcome)))
    def a_call_ends(self, data: st.DataObject, outcome: Outcome) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        self.in_flight.pop(index).record(outcome, self.now_s)
        if outcome is Outcome.NEUTRAL:
            self.begun_in_trial -= 1  # Its permit, if it was of this trial, is free again.

    @rule()
    def somebody_isolates(self) -> None:
        self.circuit.force_open(self.now_s, "isolated")

    @rule()
    def somebody_releases(self) -> None:
        self.circuit.release(self.now_s)

    @rule(failure_rate=st.sampled_from([0.2, 0.9]), ramp_calls=st.sampled_from([0, 3]))
    def settings_change(self, failure_rate: float, ramp_calls: int) -> None:
        self.config = CircuitConfig(
            window_calls=6,
            minimum_calls=3,
            permitted_calls=self.config.permitted_calls,
            failure_rate=failure_rate,
            ramp_calls=ramp_calls,
            permit_s=4.0,
            slow_call_s=1.0,
        )
        self.circuit.reconfigure(self.config, self.now_s)

    @invariant()
    def every_transition_is_one_that_exists_and_follows_the_one_before(self) -> None:
        state = "closed"
        for event in self.events:
            assert (event.previous, event.state) in ALLOWED
            assert event.previous == state
            state = event.state
        assert self.circuit.state == state

    @invariant()
    def permits_that_are_out_never_exceed_those_permitted(self) -> None:
        if self.circuit.state is State.HALF_OPEN and len(self.events) == self.changes_seen:
            assert self.begun_in_trial <= self.config.permitted_calls

    @invariant()
    def the_short_way_leads_to_the_present_era_only(self) -> None:
        assert self.circuit.timed in (None, self.circuit.era)
        assert self.circuit.state is State.CLOSED or self.circuit.timed is None


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
