"""The score of a run, from logs made by hand."""

from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
)
from mendel.core.topology import Topology
from mendel.runtime.demo.estate import COMPONENTS
from mendel.runtime.demo.score import FaultScore, Injection, Score, score

TOPOLOGY = Topology(COMPONENTS)


def a_crash(target: str = "db", injected_s: float = 100.0, lifted_s: float = 106.0) -> Injection:
    return Injection(kind="crash", target=target, injected_s=injected_s, lifted_s=lifted_s)


def an_anomaly(target: str, at_s: float) -> AnomalyDetected:
    return AnomalyDetected(
        target=target, metric="alive", value=0.0, score=2.0, onset_s=at_s, detected_s=at_s
    )


def opened(target: str, at_s: float, incident: str = "1") -> IncidentOpened:
    return IncidentOpened(target=target, incident=incident, onset_s=at_s, opened_s=at_s)


def closed(
    target: str, at_s: float, outcome: str = "healed", incident: str = "1"
) -> IncidentClosed:
    return IncidentClosed(
        target=target,
        incident=incident,
        outcome=outcome,
        actions=("restart",),
        onset_s=at_s - 5.0,
        opened_s=at_s - 5.0,
        closed_s=at_s,
    )


def started(target: str, at_s: float, action: str = "restart", incident: str = "1") -> Message:
    return ActionStarted(
        target=target,
        intent=f"{at_s}",
        incident=incident,
        action=action,
        timeout_s=5.0,
        started_s=at_s,
    )


def finished(target: str, at_s: float, outcome: str = "succeeded") -> Message:
    return ActionFinished(
        target=target,
        intent="1",
        incident="1",
        action="restart",
        outcome=outcome,
        detail="",
        duration_s=1.0,
        finished_s=at_s,
    )


# What mendel says when it heals a crash of db as it should.
HEALED = (
    an_anomaly("db", 100.25),
    opened("db", 100.26),
    started("db", 100.27, action="isolate"),
    started("db", 100.28),
    an_anomaly("cart", 100.9),
    opened("cart", 100.91, incident="2"),
    finished("db", 102.0),
    closed("db", 105.0),
    closed("cart", 105.5, outcome="attributed", incident="2"),
)


def judged(*messages: Message, faults: tuple[Injection, ...] = (a_crash(),)) -> Score:
    return score(faults, messages, TOPOLOGY, availability=0.98765)


class TestScore:
    def test_a_fault_that_is_healed_as_it_should_be(self) -> None:
        assert judged(*HEALED) == Score(
            faults=1,
            detected=1,
            healed=1,
            false_alarms=0,
            unneeded_actions=0,
            mttd_s=0.25,
            mttr_s=5.0,
            availability=0.9877,
            per_fault=(
                FaultScore(
                    kind="crash",
                    target="db",
                    detected=True,
                    healed=True,
                    detection_s=0.25,
                    reaction_s=0.02,
                    recovery_s=5.0,
                    actions=("isolate", "restart"),
                ),
            ),
        )

    def test_a_run_is_flawless_when_all_is_healed_and_nothing_else_was_done(self) -> None:
        unhealed = judged(*HEALED[:-2])
        meddled = judged(*HEALED, started("catalog", 105.8, incident="3"))

        assert (judged(*HEALED).is_flawless, unhealed.is_flawless) == (True, False)
        assert (meddled.healed, meddled.is_flawless) == (1, False)

    def test_nothing_broken_and_nothing_said(self) -> None:
        assert score((), (), TOPOLOGY, availability=None) == Score(
            faults=0,
            detected=0,
            healed=0,
            false_alarms=0,
            unneeded_actions=0,
            mttd_s=None,
            mttr_s=None,
            availability=None,
            per_fault=(),
        )

    def test_means_are_over_the_faults_that_have_a_value(self) -> None:
        missed = a_crash("payment", injected_s=110.0, lifted_s=118.0)

        run = judged(*HEALED, faults=(a_crash(), missed))

        assert (run.faults, run.detected, run.healed) == (2, 1, 1)
        assert (run.mttd_s, run.mttr_s) == (0.25, 5.0)
        assert run.per_fault[1].recovery_s is None


class TestDetected:
    def test_an_incident_of_a_caller_alone_does_not_count(self) -> None:
        run = judged(an_anomaly("cart", 100.5), opened("cart", 100.5))

        assert (run.detected, run.mttd_s) == (0, None)

    def test_an_incident_after_the_lift_does_not_count(self) -> None:
        assert judged(opened("db", 106.1)).detected == 0

    def test_an_anomaly_without_an_incident_does_not_count(self) -> None:
        assert judged(an_anomaly("db", 100.5)).detected == 0


class TestHealed:
    def test_what_went_away_without_an_action_is_not_healed(self) -> None:
        assert judged(opened("db", 100.3), closed("db", 104.0, outcome="cleared")).healed == 0

    def test_what_is_well_only_after_the_lift_is_not_healed(self) -> None:
        assert judged(opened("db", 100.3), closed("db", 106.5)).healed == 0

    def test_the_second_incident_of_a_fault_counts_too(self) -> None:
        run = judged(
            opened("db", 100.3),
            closed("db", 101.0, outcome="cleared"),
            opened("db", 101.5, incident="2"),
            closed("db", 105.0, incident="2"),
        )

        assert (run.healed, run.mttr_s) == (1, 5.0)


class TestFalseAlarms:
    def test_a_treated_incident_while_nothing_was_broken(self) -> None:
        run = judged(opened("web", 90.0, incident="9"), started("web", 90.1, incident="9"))

        assert run.false_alarms == 1

    def test_a_treated_incident_of_somebody_who_does_not_need_the_target(self) -> None:
        run = judged(opened("payment", 101.0, "9"), started("payment", 101.1, incident="9"))

        assert run.false_alarms == 1

    def test_calling_a_person_for_nothing_is_one_as_well(self) -> None:
        call = IncidentEscalated(target="web", incident="9", reason="", escalated_s=95.0)

        assert judged(opened("web", 90.0, incident="9"), call).false_alarms == 1

    def test_an_incident_that_nobody_acted_on_is_none(self) -> None:
        run = judged(opened("web", 90.0), closed("web", 91.0, outcome="cleared"))

        assert run.false_alarms == 0

    def test_a_caller_is_explained_by_the_fault_below_it_until_its_aftermath(self) -> None:
        late = (opened("web", 107.9, incident="9"), started("web", 108.0, "isolate", "9"))
        too_late = (opened("web", 108.1, incident="9"), started("web", 108.2, "isolate", "9"))

        assert judged(*HEALED, *late).false_alarms == 0
        assert judged(*HEALED, *too_late).false_alarms == 1


class TestUnneededActions:
    def test_restarting_a_caller(self) -> None:
        assert judged(*HEALED[:5], started("cart", 101.0), *HEALED[5:]).unneeded_actions == 1

    def test_a_second_restart_after_one_that_succeeded(self) -> None:
        assert judged(*HEALED, started("db", 105.9)).unneeded_actions == 1

    def test_a_second_restart_after_one_that_failed_was_needed(self) -> None:
        run = judged(
            opened("db", 100.3),
            started("db", 100.4),
            finished("db", 101.0, outcome="failed"),
            started("db", 102.0),
            finished("db", 103.0),
            closed("db", 105.0),
        )

        assert run.unneeded_actions == 0

    def test_anything_before_the_first_fault(self) -> None:
        assert judged(started("db", 99.0), finished("db", 99.5), *HEALED).unneeded_actions == 1

    def test_isolating_is_free_wherever_it_happens(self) -> None:
        assert judged(*HEALED, started("cart", 107.0, action="isolate")).unneeded_actions == 0

    def test_the_same_target_may_be_treated_again_for_the_next_fault(self) -> None:
        again = a_crash(injected_s=110.0, lifted_s=116.0)

        run = judged(*HEALED, started("db", 110.3), faults=(a_crash(), again))

        assert run.unneeded_actions == 0
