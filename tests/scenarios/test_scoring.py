"""From decisions to measures: plain data in, plain data out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import (
    ActionFinished,
    AnomalyDetected,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
)
from mendel.scenarios.scoring import (
    Broken,
    Case,
    Measures,
    Spread,
    actions_per_target,
    cases,
    measure,
    percentile,
    score,
    spread,
)

CRASH = Broken(target="db", kind="crash", at_s=100.0)


def an_anomaly(target: str, at_s: float) -> Message:
    return AnomalyDetected(
        target=target, metric="ok", value=0.0, score=2.0, onset_s=at_s - 1.0, detected_s=at_s
    )


def an_opening(target: str, at_s: float, name: str = "1-1") -> Message:
    return IncidentOpened(target=target, incident=name, onset_s=at_s - 1.0, opened_s=at_s)


def a_closing(target: str, at_s: float, outcome: str = "healed", name: str = "1-1") -> Message:
    return IncidentClosed(
        target=target,
        incident=name,
        outcome=outcome,
        actions=("restart",),
        onset_s=0.0,
        opened_s=0.0,
        closed_s=at_s,
    )


def an_action(
    target: str, at_s: float, action: str = "restart", outcome: str = "succeeded"
) -> Message:
    return ActionFinished(
        target=target,
        intent=f"{target}-{at_s}",
        incident="1-1",
        action=action,
        outcome=outcome,
        detail="",
        duration_s=1.0,
        finished_s=at_s,
    )


def a_diagnosis(target: str, at_s: float, cause: str) -> IncidentDiagnosed:
    return IncidentDiagnosed(
        target=target,
        incident="1-1",
        cause=cause,
        where=(target,),
        confidence=0.8,
        reason="",
        diagnosed_s=at_s,
    )


HEALED = [
    an_anomaly("db", 102.0),
    an_opening("db", 102.0),
    an_action("db", 104.0),
    a_closing("db", 110.0),
]


class TestMeasure:
    def test_a_fault_is_timed_from_its_start_to_the_first_anomaly_and_to_the_proof(self) -> None:
        assert measure(HEALED, [CRASH]) == Measures(
            broken=1,
            detected=1,
            named=0,
            healed=1,
            detection=Spread(count=1, mean_s=2.0, median_s=2.0, p95_s=2.0, longest_s=2.0),
            recovery=Spread(count=1, mean_s=10.0, median_s=10.0, p95_s=10.0, longest_s=10.0),
            incidents=1,
            false_alarms=0,
            actions=1,
            unneeded=0,
            escalated=0,
        )

    def test_where_nobody_knows_the_faults_onsets_stand_in_and_nothing_is_said_of_fairness(
        self,
    ) -> None:
        measures = measure(HEALED, None)

        assert measures.detection == spread([1.0])
        assert measures.recovery == spread([9.0])
        assert (measures.broken, measures.false_alarms, measures.unneeded) == (None, None, None)

    def test_a_fault_that_nobody_saw_is_neither_detected_nor_healed(self) -> None:
        measures = measure([], [CRASH])

        assert (measures.broken, measures.detected, measures.healed) == (1, 0, 0)
        assert measures.detection is None

    @pytest.mark.parametrize(("causes", "named"), [(("hang", "crash"), 1), (("crash", "hang"), 0)])
    def test_a_fault_is_named_when_the_last_diagnosis_says_so(
        self, causes: tuple[str, ...], named: int
    ) -> None:
        told = [a_diagnosis("db", 103.0 + number, each) for number, each in enumerate(causes)]

        assert measure([*HEALED, *told], [CRASH]).named == named
        assert measure([a_diagnosis("web", 103.0, "crash")], [CRASH]).named == 0

    def test_on_a_quiet_day_every_incident_is_a_false_alarm_and_every_action_unneeded(self) -> None:
        measures = measure(HEALED, [])

        assert (measures.false_alarms, measures.unneeded) == (1, 1)

    def test_the_alarm_of_a_caller_is_no_false_one_but_treating_it_is_unneeded(self) -> None:
        messages = [*HEALED, an_opening("web", 103.0, "1-2"), an_action("web", 106.0)]

        measures = measure(messages, [CRASH])

        assert (measures.false_alarms, measures.unneeded) == (0, 1)

    def test_what_comes_long_after_a_fault_has_passed_is_not_owed_to_it(self) -> None:
        blip = Broken(target="db", kind="hang", at_s=100.0, until_s=110.0)
        soon, late = an_opening("db", 170.0, "1-1"), an_opening("db", 171.0, "1-2")

        assert measure([soon, late], [blip]).false_alarms == 1

    def test_a_fault_that_came_back_is_healed_when_it_is_gone_for_good(self) -> None:
        again = [an_opening("db", 120.0, "1-2"), a_closing("db", 150.0, name="1-2")]

        assert measure([*HEALED, *again], [CRASH]).recovery == spread([50.0])
        assert measure([*HEALED, *again[:1]], [CRASH]).healed == 0

    def test_what_was_dismissed_by_a_person_is_not_healed(self) -> None:
        messages = [an_opening("db", 102.0), a_closing("db", 110.0, "dismissed")]

        assert measure(messages, [CRASH]).healed == 0

    def test_telling_a_person_and_keeping_calls_away_are_no_treatments(self) -> None:
        messages = [an_action("web", 105.0, name) for name in ("notify", "isolate", "release")]

        measures = measure(messages, [])

        assert (measures.actions, measures.unneeded) == (0, 0)

    def test_an_action_that_was_not_run_is_none(self) -> None:
        assert measure([an_action("db", 105.0, outcome="not_run")], [CRASH]).actions == 0


class TestBroken:
    @pytest.mark.parametrize("target", ["cart", "cart/2", "web>cart", "cart>db"])
    def test_a_fault_covers_its_component_its_replicas_and_its_edges(self, target: str) -> None:
        assert Broken(target="cart", kind="crash", at_s=0.0).covers(target, 1.0)

    def test_an_edge_covers_both_of_its_sides(self) -> None:
        cut = Broken(target="web>cart", kind="partition", at_s=0.0)

        assert [cut.covers(name, 1.0) for name in ("web", "cart", "db")] == [True, True, False]

    def test_a_fault_may_sit_in_further_components(self) -> None:
        stale = Broken(target="db", kind="stale_pool", at_s=0.0, also=("cart",))

        assert [stale.covers(name, 1.0) for name in ("db", "cart", "web")] == [True, True, False]

    def test_a_fault_of_the_whole_estate_covers_everybody(self) -> None:
        assert Broken(target="*", kind="overload", at_s=0.0).covers("web", 1.0)

    def test_nothing_is_owed_to_what_has_not_begun(self) -> None:
        assert not CRASH.covers("db", 99.9)


class TestCases:
    def test_an_incident_is_told_from_its_onset_to_its_end(self) -> None:
        assert cases(HEALED) == (
            Case(
                incident="1-1",
                target="db",
                onset_s=101.0,
                opened_s=102.0,
                closed_s=110.0,
                outcome="healed",
                actions=("restart",),
            ),
        )

    def test_one_that_is_open_at_the_end_has_no_outcome(self) -> None:
        escalation = IncidentEscalated(target="db", incident="1-1", reason="", escalated_s=104.0)

        (case,) = cases([an_opening("db", 102.0), escalation])

        assert (case.closed_s, case.outcome, case.escalated) == (None, "", True)


def test_actions_are_counted_by_target_and_name_in_alphabetical_order() -> None:
    messages = [
        an_action("web", 1.0, "scale"),
        an_action("web", 2.0),
        an_action("db", 3.0),
        an_action("web", 4.0),
    ]

    counts = actions_per_target(messages)

    assert counts == {"db": {"restart": 1}, "web": {"restart": 2, "scale": 1}}
    assert list(counts) == ["db", "web"]
    assert list(counts["web"]) == ["restart", "scale"]


class TestScore:
    @pytest.mark.parametrize(
        ("harm", "share"), [(10.0, 0.0), (2.0, 100.0), (6.0, 50.0), (18.0, -100.0)]
    )
    def test_nobody_is_0_the_oracle_100_and_below_0_it_did_harm(
        self, harm: float, share: float
    ) -> None:
        assert score(harm, null=10.0, best=2.0) == share

    def test_where_nothing_could_be_avoided_every_minute_of_harm_costs_all_points(self) -> None:
        assert score(2.0, null=2.0, best=2.0) == 100.0
        assert score(2.25, null=2.0, best=2.0) == 75.0
        assert score(5.0, null=2.0, best=2.0) == -200.0


class TestPercentile:
    @given(st.lists(st.floats(0.0, 1e6), min_size=1), st.floats(0.0, 1.0))
    def test_it_is_one_of_the_values_and_enough_of_them_do_not_exceed_it(
        self, values: list[float], share: float
    ) -> None:
        found = percentile(values, share)

        assert found in values
        assert sum(each <= found for each in values) >= share * len(values)

    @pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5)])
    def test_refuses_what_has_no_answer(self, values: list[float], share: float) -> None:
        with pytest.raises(ValueError, match="quantile"):
            percentile(values, share)
