"""When each probe looks, and what is told of what it saw."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    HealthChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    PauseTarget,
    ProbeNow,
    Status,
    Symptom,
    TargetProbed,
)
from mendel.core.effects import Effect, Publish, Record
from mendel.core.records import WindowRecord
from mendel.core.topology import Annotation
from mendel.core.watching.rounds import Chart, Look, Rounds
from mendel.core.watching.watch import TargetWatch, WatchConfig


class Probe(NamedTuple):
    target: str = "cart"
    name: str = "http"
    every_s: float = 10.0


def rounds_of(*probes: Probe, charts: tuple[str, ...] = ("cart",)) -> Rounds[Probe]:
    rounds: Rounds[Probe] = Rounds(
        {
            name: Chart(TargetWatch(name, WatchConfig(confirm_s=1.0), {"http": 30.0}))
            for name in charts
        }
    )
    rounds.begin(probes, now_s=0.0)
    return rounds


def messages(effects: list[Effect]) -> list[Message]:
    return [each.message for each in effects if isinstance(each, Publish)]


def look(rounds: Rounds[Probe], now_s: float, ok: float = 1.0) -> list[Message]:
    """Take the look that is due now, and see this."""
    due = rounds.due(now_s)
    assert due is not None
    return messages(rounds.on_sample(due, {"ok": ok}, "", now_s))


def started(action: str = "restart") -> ActionStarted:
    return ActionStarted(
        target="cart", intent="1", incident="1", action=action, started_s=20.0, timeout_s=30.0
    )


def finished(action: str = "restart", outcome: str = "succeeded") -> ActionFinished:
    return ActionFinished(
        target="cart",
        intent="1",
        incident="1",
        action=action,
        outcome=outcome,
        detail="",
        duration_s=1.0,
        finished_s=20.0,
        settle_s=5.0,
    )


class TestWhen:
    def test_first_looks_are_spread_over_the_interval(self) -> None:
        rounds = rounds_of(Probe(), Probe(name="tcp"))

        assert rounds.due(0.0) is not None
        assert rounds.due(6.0) is None
        assert rounds.next_s == pytest.approx(6.18, abs=0.01)

    def test_a_look_that_runs_is_not_begun_again(self) -> None:
        rounds = rounds_of(Probe())
        rounds.due(0.0)

        assert rounds.due(1000.0) is None
        assert rounds.next_s == math.inf

    def test_a_healthy_target_is_looked_at_at_its_own_pace(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        assert rounds.next_s == 10.0

    def test_a_target_in_doubt_is_looked_at_sooner(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0, ok=0.0)

        assert rounds.next_s == 1.0

    def test_missed_turns_are_not_made_up_for(self) -> None:
        rounds = rounds_of(Probe())
        late = rounds.due(0.0)
        assert late is not None
        rounds.on_no_data(late, 35.0)

        assert rounds.next_s == 35.0

    def test_nobody_to_look_at_is_never_due(self) -> None:
        assert rounds_of().next_s == math.inf
        assert rounds_of().due(math.inf) is None

    @given(
        gaps=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=20),
        seen=st.lists(st.sampled_from([0.0, 1.0, None]), min_size=20, max_size=20),
    )
    def test_each_probe_has_one_turn_ahead_of_it(
        self, gaps: list[float], seen: list[float | None]
    ) -> None:
        rounds = rounds_of(Probe(), Probe(name="tcp"))
        now_s, begun = 0.0, list[Look[Probe]]()
        for gap, ok in zip(gaps, seen, strict=False):
            now_s += gap
            if begun:
                one = begun.pop()
                if ok is None:
                    rounds.on_no_data(one, now_s)
                else:
                    rounds.on_sample(one, {"ok": ok}, "", now_s)
            while (due := rounds.due(now_s)) is not None:
                assert due not in begun
                begun.append(due)
            rounds.on_message(ProbeNow(target="cart"), now_s)

            assert len(begun) <= 2


class TestFreshLooks:
    def test_a_fresh_look_is_taken_at_once_and_answered(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        assert rounds.on_message(ProbeNow(target="cart"), 3.0) == []
        told = look(rounds, 3.0)

        assert told == [
            TargetProbed(
                target="cart",
                status=Status.HEALTHY,
                since_s=3.0,
                taken_s=3.0,
                symptoms=(Symptom(metric="ok", value=1.0, latest=1.0),),
            )
        ]
        assert rounds.due(12.9) is None
        assert rounds.due(13.0) is not None

    def test_a_first_bad_sample_is_not_hidden_by_those_before_it(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)
        rounds.on_message(ProbeNow(target="cart"), 2.0)

        (told,) = (each for each in look(rounds, 2.0, ok=0.0) if isinstance(each, TargetProbed))

        assert [(each.metric, each.value) for each in told.symptoms] == [("ok", 0.0)]

    def test_the_turn_that_it_replaces_is_left_out(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)
        rounds.on_message(ProbeNow(target="cart"), 3.0)
        look(rounds, 3.0)

        assert rounds.due(10.0) is None

    def test_a_look_that_began_before_the_question_does_not_answer_it(self) -> None:
        rounds = rounds_of(Probe())
        before = rounds.due(0.0)
        assert before is not None
        rounds.on_message(ProbeNow(target="cart"), 3.0)

        told = messages(rounds.on_sample(before, {"ok": 1.0}, "", 4.0))

        assert not any(isinstance(each, TargetProbed) for each in told)
        assert rounds.next_s == 4.0
        assert isinstance(look(rounds, 4.0)[-1], TargetProbed)

    def test_all_probes_of_the_target_have_to_look(self) -> None:
        rounds = rounds_of(Probe(), Probe(name="tcp", every_s=12.0))
        for _ in range(2):
            look(rounds, 10.0)
        rounds.on_message(ProbeNow(target="cart"), 11.0)

        assert look(rounds, 11.0) == []
        assert isinstance(look(rounds, 11.0)[-1], TargetProbed)

    def test_where_nobody_can_look_what_is_known_is_told(self) -> None:
        rounds = rounds_of()

        told = messages(rounds.on_message(ProbeNow(target="cart"), 3.0))

        assert told == [
            TargetProbed(target="cart", status=Status.UNKNOWN, since_s=3.0, taken_s=3.0)
        ]

    def test_strangers_are_not_looked_at(self) -> None:
        assert rounds_of(Probe()).on_message(ProbeNow(target="nobody"), 3.0) == []

    def test_a_sample_that_comes_by_itself_answers_like_a_look(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)
        rounds.on_message(ProbeNow(target="cart"), 3.0)

        told = messages(rounds.on_told("cart", "http", {"ok": 0.0}, "", 3.0))

        assert [type(each) for each in told] == [HealthChanged, TargetProbed]


class TestActions:
    def test_what_a_target_shows_while_it_is_restarted_is_no_news(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        told = messages(rounds.on_message(started(), 20.0))

        assert [each.status for each in told if isinstance(each, HealthChanged)] == ["suspect"]
        for at_s in (20.0, 21.0, 22.0, 23.0):
            assert look(rounds, at_s, ok=0.0) == []

    def test_after_it_a_fresh_look_is_asked_for(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        rounds.on_message(finished(), 20.0)

        assert rounds.next_s <= 20.0
        assert look(rounds, 20.0) == [
            TargetProbed(
                target="cart",
                status=Status.SUSPECT,
                since_s=20.0,
                taken_s=20.0,
                symptoms=(Symptom(metric="ok", value=1.0, latest=1.0),),
            )
        ]

    def test_one_that_failed_is_given_no_time_to_boot(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)
        rounds.on_message(finished(outcome="failed"), 20.0)

        told = [each for at_s in (20.0, 21.0, 22.0) for each in look(rounds, at_s, ok=0.0)]

        assert "sick" in [each.status for each in told if isinstance(each, HealthChanged)]

    @pytest.mark.parametrize("message", [started("notify"), finished("isolate")])
    def test_what_leaves_the_target_alone_excuses_nothing(self, message: Message) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        assert rounds.on_message(message, 20.0) == []
        assert rounds.next_s == 10.0

    @pytest.mark.parametrize("message", [started(), finished()])
    def test_strangers_are_nobodys_concern(self, message: Message) -> None:
        assert rounds_of(charts=("web",)).on_message(message, 20.0) == []


class TestCallsAndSilence:
    def test_calls_are_evidence_too(self) -> None:
        rounds = rounds_of(charts=("cart",))
        told = [
            each
            for at_s in (1.0, 2.0, 3.0)
            for each in messages(rounds.on_calls("cart", {"call_failure_rate": 1.0}, at_s))
        ]

        assert "AnomalyDetected" in [type(each).__name__ for each in told]
        assert rounds.knows("cart")

    def test_calls_to_strangers_are_left_out(self) -> None:
        rounds = rounds_of(charts=("cart",))

        assert rounds.on_calls("db", {"call_failure_rate": 1.0}, 1.0) == []
        assert not rounds.knows("db")

    def test_no_calls_say_nothing(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        assert rounds.on_calls("cart", None, 1.0) == []

    def test_silence_is_noticed(self) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)

        assert rounds.on_sweep(29.0) == []
        told = messages(rounds.on_sweep(30.0))
        assert [each.status for each in told if isinstance(each, HealthChanged)] == ["unknown"]


class TestWindows:
    @pytest.mark.parametrize("is_open", [True, False])
    def test_the_readings_around_an_incident_go_on_record(self, is_open: bool) -> None:
        rounds = rounds_of(Probe())
        look(rounds, 0.0)
        look(rounds, 10.0)
        opened = IncidentOpened(
            target="cart", incident="1-1", onset_s=10.0, opened_s=10.0, reason=""
        )
        closed = IncidentClosed(
            target="cart",
            incident="1-1",
            outcome="healed",
            actions=(),
            onset_s=10.0,
            opened_s=10.0,
            closed_s=20.0,
            reason="",
        )

        effects = rounds.on_message(opened if is_open else closed, 20.0)

        window = WindowRecord(
            incident="1-1", target="cart", times_s=(0.0, 10.0), metrics={"ok": (1.0, 1.0)}
        )
        assert effects == [Record(window)]

    def test_strangers_have_none(self) -> None:
        opened = IncidentOpened(target="db", incident="1-1", onset_s=1.0, opened_s=1.0, reason="")

        assert rounds_of(Probe()).on_message(opened, 20.0) == []

    def test_what_concerns_no_look_is_left_alone(self) -> None:
        pause = PauseTarget(target="cart", duration_s=1.0, who="ann", reason="")

        assert rounds_of(Probe()).on_message(pause, 20.0) == []


class TestOtherProbes:
    def test_looks_that_stay_keep_their_turn_and_new_ones_begin(self) -> None:
        old, new = Probe(every_s=4.0), Probe(name="tcp", every_s=4.0)
        rounds = rounds_of(old)
        look(rounds, 0.0)

        assert rounds.rearrange([old, new], 1.0) == []

        taken = [rounds.due(5.0), rounds.due(5.0)]
        turns = [(each.probe.name, each.due_s) for each in taken if each is not None]
        assert turns == [("tcp", pytest.approx(3.47, abs=0.01)), ("http", 4.0)]

    def test_a_look_of_a_probe_that_is_gone_is_not_begun(self) -> None:
        rounds = rounds_of(Probe())

        rounds.rearrange([], 1.0)

        assert rounds.due(100.0) is None

    def test_a_look_that_is_over_meanwhile_tells_nothing(self) -> None:
        rounds = rounds_of(Probe(), Probe(name="tcp"))
        first, second = rounds.due(100.0), rounds.due(100.0)
        assert first is not None
        assert second is not None

        rounds.rearrange([], 1.0)

        assert first.is_over
        assert rounds.on_sample(first, {"ok": 0.0}, "", 2.0) == []
        assert rounds.on_no_data(second, 2.0) == []

    def test_who_waits_for_a_look_gets_that_of_the_new_probe(self) -> None:
        rounds = rounds_of(Probe())
        rounds.on_message(ProbeNow(target="cart"), 5.0)

        assert rounds.rearrange([Probe(name="tcp")], 6.0) == []

        assert [type(each) for each in look(rounds, 6.0)] == [HealthChanged, TargetProbed]

    def test_who_waits_for_a_look_that_nobody_takes_gets_what_is_known(self) -> None:
        rounds = rounds_of(Probe())
        rounds.on_message(ProbeNow(target="cart"), 5.0)

        told = messages(rounds.rearrange([], 6.0))

        assert [type(each) for each in told] == [TargetProbed]


class TestChart:
    def test_its_window_grows_and_shrinks_with_the_configuration(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(window_rows=1), {"http": 30.0}))
        chart.rows.add(1.0, {"ok": 1.0})

        assert chart.reconfigure(WatchConfig(window_rows=2), {"http": 30.0}, 2.0) == []
        assert chart.reconfigure(WatchConfig(window_rows=2), {"http": 30.0}, 2.0) == []
        chart.rows.add(3.0, {"ok": 1.0})

        assert chart.rows.columns() == ((1.0, 3.0), {"ok": (1.0, 1.0)})

    def test_settings_that_wait_hold_from_the_next_sample_on(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(), {"http": 30.0}))
        rounds: Rounds[Probe] = Rounds({"cart": chart})
        rounds.begin([Probe()], now_s=0.0)
        chart.revise(WatchConfig(confirm_s=0.1))
        assert chart.watch.config.confirm_s != 0.1

        look(rounds, 0.0, ok=0.0)

        assert chart.watch.config.confirm_s == 0.1
        assert rounds.next_s == 0.1

    def test_they_hold_from_the_next_calls_on_as_well(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(), {}))
        rounds: Rounds[Probe] = Rounds({"cart": chart})
        chart.revise(WatchConfig(confirm_s=0.1))

        rounds.on_calls("cart", None, 1.0)

        assert chart.watch.config.confirm_s == 0.1

    def test_which_settings_hold_next_is_known_before_they_do(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(), {}))
        coming = WatchConfig(confirm_s=0.1)
        assert chart.config == WatchConfig()

        chart.revise(coming)

        assert chart.config == coming


class TestAnnotations:
    def test_what_the_world_knows_is_told_when_it_is_new(self) -> None:
        rounds = rounds_of(Probe())
        known = Annotation(version="2.1", deployed_s=4.0)

        told = [
            len(rounds.on_annotation("cart", each, 5.0)) for each in (Annotation(), known, known)
        ]

        assert told == [0, 1, 0]


class TestStretched:
    def test_a_healthy_target_is_looked_at_later_and_its_silence_counts_later(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(silent_s=20.0), {"http": 20.0}))
        rounds: Rounds[Probe] = Rounds({"cart": chart})
        rounds.begin([Probe()], now_s=0.0)
        chart.stretch = 4.0

        look(rounds, 0.0)

        assert rounds.next_s == 40.0
        assert rounds.on_sweep(79.0) == []
        assert [type(each) for each in messages(rounds.on_sweep(80.0))] == [HealthChanged]

    def test_one_in_doubt_is_looked_at_as_often_as_ever(self) -> None:
        chart = Chart(TargetWatch("cart", WatchConfig(confirm_s=1.0), {"http": 30.0}))
        rounds: Rounds[Probe] = Rounds({"cart": chart})
        rounds.begin([Probe()], now_s=0.0)
        chart.stretch = 4.0

        look(rounds, 0.0, ok=0.0)

        assert rounds.next_s == 1.0
