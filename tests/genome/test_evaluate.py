"""What candidates are worth, on histories whose best answer is known."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest
from mendel.core.detection.detect import Threshold
from mendel.core.gene import Gene
from mendel.core.incidents.verify import VerifyConfig
from mendel.core.levels import Level
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.genome.evaluate import CONSTRAINTS, HealingTrial
from mendel.genome.history import History
from mendel.genome.scores import OBJECTIVES
from mendel.genome.space import Genome, Space
from mendel.genome.walk import TrialConfig
from msgspec import Struct, structs
from pasts import ONSET_S, a_history, a_past, a_verdict, means

PLAN = ("restart", "replace")
OK = Threshold(below=0.5, samples=3, of=5, clear=3)


def a_genome(*plan: str, samples: int = 3, window_s: float = 5.0, attempts: int = 2) -> Genome:
    return {
        "watch": WatchConfig(thresholds={"ok": structs.replace(OK, samples=samples)}),
        "verify": VerifyConfig(window_s=window_s),
        "playbook/service": PlaybookConfig(plan=plan or PLAN, attempts=attempts),
    }


def judged(
    *genomes: Genome,
    history: History | None = None,
    level: Level = "basic",
    policy: PolicyConfig | None = None,
) -> list[dict[str, float]]:
    """Objectives and constraints by name; the first genome is the one in force."""
    history = history or a_history()
    space = Space(genomes[0])
    trial = HealingTrial(space, history.incidents, history, TrialConfig(level=level), policy)
    scores = trial(np.array([space.encode(each) for each in genomes]))
    return [
        dict(zip((*OBJECTIVES, *CONSTRAINTS), map(float, (*row, *kept)), strict=True))
        for row, kept in zip(scores.objectives, scores.constraints, strict=True)
    ]


class TestTime:
    def test_is_from_the_onset_to_the_cure_step_by_step(self) -> None:
        (incumbent,) = judged(a_genome())

        # Noticed at the third bad sample, held for 2 s, then two restarts in vain: each runs 2 s,
        # settles 5 s and is watched for 5 s, with 1 s and 2 s of patience after it; and at last a
        # replacement, which shows after 10 s.
        assert incumbent["recovery_s"] == pytest.approx(2 + 2 + (12 + 1) + (12 + 2) + 10)
        assert incumbent["user_harm"] == pytest.approx(incumbent["recovery_s"] / 60)
        assert incumbent["action_cost"] == 3 * 3.0

    def test_what_cures_first_saves_all_that_was_in_vain(self) -> None:
        _, better = judged(a_genome(), a_genome("replace", "restart"))

        assert better["recovery_s"] == pytest.approx(2 + 2 + 10)
        assert better["action_cost"] == 3.0

    def test_who_notices_sooner_heals_sooner(self) -> None:
        slow, quick = judged(a_genome(samples=5), a_genome(samples=1))

        assert slow["recovery_s"] - quick["recovery_s"] == pytest.approx(4.0)

    def test_who_needs_more_evidence_than_was_read_before_the_action_sees_it_go_on(self) -> None:
        (late,) = judged(a_genome(samples=5))

        assert late["recovery_s"] < 100.0

    def test_who_judges_too_early_goes_on_to_the_next_step_in_vain(self) -> None:
        patient, hasty = judged(
            a_genome("replace", "restart", window_s=20.0),
            a_genome("replace", "restart", window_s=1.0),
        )

        assert hasty["recovery_s"] == patient["recovery_s"]  # It was cured all the same.
        assert hasty["action_cost"] > patient["action_cost"]

    def test_where_nothing_is_left_to_try_a_person_comes(self) -> None:
        history = a_history()
        only = structs.replace(history, means={"service": means("restart")})

        (without,) = judged(a_genome("restart", attempts=1), history=only)

        assert without["recovery_s"] == pytest.approx(2 + 2 + (12 + 1) + 900)

    def test_what_shows_in_no_metric_was_noticed_otherwise_and_is_by_all(self) -> None:
        hidden = tuple(
            structs.replace(each, metrics={"ok": (1.0,) * 125}) for each in a_history().incidents
        )
        history = structs.replace(a_history(), incidents=hidden)

        slow, quick = judged(a_genome(samples=5), a_genome(samples=1), history=history)

        assert slow["recovery_s"] == quick["recovery_s"] == pytest.approx(41.0)


class TestFalseAlarms:
    def test_are_what_is_raised_before_there_is_a_trouble(self) -> None:
        blip = (1.0,) * 60 + (0.0,) + (1.0,) * 59 + (0.0,) * 5
        incidents = tuple(
            a_past(f"1-{number}", a_verdict("replace", "helped", f"1-{number}"), ok=blip)
            for number in range(30)
        )
        history = History(incidents=incidents, means={"service": means("replace")})

        calm, nervous = judged(a_genome("replace"), a_genome("replace", samples=1), history=history)

        calm_days = 30 * (ONSET_S - 1) / 86_400
        assert calm["false_alarms"] == 0.0
        assert nervous["false_alarms"] == pytest.approx(30 / max(calm_days, 1 / 24))
        assert nervous["action_cost"] == calm["action_cost"] + 1.0

    def test_what_passes_by_itself_is_better_not_noticed(self) -> None:
        passing = a_past("2-1", ok=(1.0,) * 120 + (0.0,) * 4 + (1.0,) * 10, is_real=False)
        history = a_history()
        history = structs.replace(history, incidents=(*history.incidents, passing))

        eager, patient = judged(a_genome(), a_genome(samples=5), history=history)

        assert eager["false_alarms"] > patient["false_alarms"] == 0.0


class TestConstraints:
    def test_what_too_little_is_known_of_does_not_take_the_place_of_the_incumbent(self) -> None:
        rare = tuple(
            a_past(
                f"2-{number}",
                a_verdict("drain", "helped", f"2-{number}", kind="worker"),
                kind="worker",
            )
            for number in range(3)
        )
        history = a_history()
        history = structs.replace(
            history,
            incidents=(*history.incidents, *rare),
            means={**history.means, "worker": means("restart", "drain")},
        )

        def with_worker(*plan: str) -> Genome:
            return {**a_genome(), "playbook/worker": PlaybookConfig(plan=plan)}

        incumbent, other = judged(
            with_worker("restart", "drain"), with_worker("drain", "restart"), history=history
        )

        assert incumbent["unsupported"] == 0.0
        assert other["unsupported"] == pytest.approx(3 / 23)

    def test_no_candidate_may_act_more_often_than_the_policy_allows(self) -> None:
        (many,) = judged(a_genome(attempts=5), policy=PolicyConfig(component_actions=3))

        assert many["too_many_actions"] == 3.0


class TestTrial:
    def test_the_same_point_always_gets_the_same_and_is_judged_once(self) -> None:
        history, genome = a_history(), a_genome()
        space = Space(genome)
        trial = HealingTrial(space, history.incidents, history)
        points = space.canonical(np.random.default_rng(1).random((5, space.dimensions)))

        first, again = trial(points), trial(points[::-1])

        assert np.array_equal(first.objectives, again.objectives[::-1])
        assert np.array_equal(first.constraints, again.constraints[::-1])
        assert trial.judged == 5

    def test_the_means_by_incident_are_the_scores(self) -> None:
        history, genome = a_history(), a_genome()
        space = Space(genome)
        trial = HealingTrial(space, history.incidents, history)
        points = space.canonical(np.random.default_rng(1).random((5, space.dimensions)))

        assert np.allclose(trial.by_incident(points).mean(axis=1), trial(points).objectives)

    def test_a_part_of_the_incidents_is_the_same_part_for_all(self) -> None:
        history, genome = a_history(), a_genome()
        space = Space(genome)
        trial = HealingTrial(space, history.incidents, history)
        point = space.encode(genome)[np.newaxis]

        some = trial(point, share=0.2)

        assert np.array_equal(some.objectives, trial(point, share=0.2).objectives)

    def test_a_level_that_ranks_tries_first_what_cured_whatever_the_plan(self) -> None:
        by_plan, by_rank = (judged(a_genome(), level=level)[0] for level in ("basic", "full"))

        assert by_rank["recovery_s"] < 0.5 * by_plan["recovery_s"]

    def test_what_its_configs_refuse_breaks_a_constraint_and_harms_nobody_else(self) -> None:
        class Even(Struct, frozen=True):
            """Refuses what no gene can know to be wrong."""

            count: Annotated[int, Gene(low=1, high=2)] = 2

            def __post_init__(self) -> None:
                if self.count % 2:
                    raise ConfigError(f"count={self.count} is odd")

        history = a_history()
        space = Space({**a_genome(), "agent.even": Even()})
        good = space.encode(space.base)
        bad = good.copy()
        bad[-1] = 0.0

        scores = HealingTrial(space, history.incidents, history)(np.array([bad, good]))

        assert scores.is_feasible.tolist() == [False, True]

    def test_no_more_candidates_are_remembered_than_it_may(self) -> None:
        history, genome = a_history(), a_genome()
        space = Space(genome)
        trial = HealingTrial(space, history.incidents, history, TrialConfig(memory=2))
        points = space.canonical(np.random.default_rng(1).random((3, space.dimensions)))

        for point in (*points, points[0]):
            trial(point[np.newaxis])

        assert trial.judged == 4

    def test_without_incidents_there_is_nothing_to_judge_by(self) -> None:
        with pytest.raises(ConfigError, match="there is no incident to judge by"):
            HealingTrial(Space(a_genome()), (), a_history())
