import math
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.ranking.priors import BY_CAUSE, BY_KIND, prior_of
from mendel.core.ranking.ranking import Estimate, Experience, RankingConfig, Remedy
from mendel.core.records import Ailment, ExperienceRecord
from mendel.core.topology import Kind

CART = Ailment(kind="service", signature="errors++")
VERDICTS = st.sampled_from(["helped", "no_effect", "worse", "failed"])
ACTIONS = st.sampled_from(["restart", "replace"])
AILMENTS = st.builds(
    Ailment,
    kind=st.sampled_from(["service", "database"]),
    cause=st.sampled_from(["", "hang"]),
    signature=st.sampled_from(["errors++", "alive"]),
)
# Nothing fades, so that the order of the cases cannot matter.
LASTING = RankingConfig(half_life_cases=1e12, half_life_s=1e12)


def a_case(
    verdict: str = "helped",
    action: str = "restart",
    ailment: Ailment = CART,
    took_s: float = 12.0,
    at_s: float = 0.0,
) -> ExperienceRecord:
    return ExperienceRecord(
        incident="1-1",
        target="cart",
        action=action,
        ailment=ailment,
        verdict=verdict,
        took_s=took_s,
        at_s=at_s,
    )


CASES = st.lists(st.builds(a_case, verdict=VERDICTS, action=ACTIONS, ailment=AILMENTS), max_size=20)


def after(*cases: ExperienceRecord, config: RankingConfig = LASTING) -> Experience:
    experience = Experience(config)
    for each in cases:
        experience.learn(each)
    return experience


def told(
    experience: Experience, ailment: Ailment = CART, now_s: float = 0.0, **remedy: object
) -> Estimate:
    asked = msgspec.convert({"action": "restart", **remedy}, Remedy)
    return experience.rank(ailment, [asked], now_s)[0]


def weight(experience: Experience, now_s: float = 0.0) -> float:
    """How much the cases against the cause in question count by now."""
    return experience.posterior(CART, Remedy(action="restart"), now_s).support


def order(experience: Experience, *actions: str, insistence: float = 1.0) -> list[str]:
    remedies = [Remedy(action=name) for name in actions]
    return [each.action for each in experience.rank(CART, remedies, 0.0, insistence=insistence)]


class TestChance:
    @given(CASES, AILMENTS)
    def test_is_a_chance_whatever_was_seen(
        self, cases: list[ExperienceRecord], ailment: Ailment
    ) -> None:
        estimate = told(after(*cases, config=RankingConfig()), ailment, now_s=1e9)

        assert 0.0 < estimate.chance <= estimate.chance_at_best < 1.0
        assert 0.0 < estimate.cost_s_at_best <= estimate.cost_s < math.inf

    @given(CASES, AILMENTS, AILMENTS)
    def test_a_cure_never_lowers_it_and_a_failure_never_raises_it(
        self, cases: list[ExperienceRecord], ailment: Ailment, asked: Ailment
    ) -> None:
        before = told(after(*cases), asked)
        cured = told(after(*cases, a_case("helped", ailment=ailment)), asked)
        failed = told(after(*cases, a_case("no_effect", ailment=ailment)), asked)

        for bound in ("chance", "chance_at_best"):
            low, middle, high = (getattr(each, bound) for each in (failed, before, cured))
            assert low <= middle + 1e-12
            assert middle <= high + 1e-12

    @given(st.lists(st.builds(a_case, verdict=VERDICTS, ailment=AILMENTS), max_size=4), AILMENTS)
    def test_does_not_depend_on_the_order_of_cases_that_do_not_fade(
        self, cases: list[ExperienceRecord], asked: Ailment
    ) -> None:
        chances = [told(after(*each), asked).chance for each in permutations(cases)]

        assert chances == pytest.approx([chances[0]] * len(chances))

    def test_one_case_counts_once_though_three_levels_know_of_it(self) -> None:
        config = RankingConfig(prior_strength=2.0, caution=0.0, half_life_cases=1e12)

        estimate = told(after(a_case("no_effect"), config=config), prior=0.5)

        # Beta(1, 2): its median on the scale of log-odds, digamma(1) - digamma(2) = -1.
        assert estimate.chance == pytest.approx(1.0 / (1.0 + math.e))

    def test_what_is_seen_of_one_kind_counts_for_another_and_more_for_its_own(self) -> None:
        experience = after(*[a_case("no_effect")] * 5)

        further = (CART, Ailment(signature="alive"), Ailment(kind="queue", signature="alive"))
        chances = [told(experience, each).chance_at_best for each in further]

        assert chances == sorted(chances)
        assert chances[-1] < told(after()).chance_at_best

    def test_what_is_seen_of_one_replica_counts_for_all_of_them_but_not_for_the_whole(
        self,
    ) -> None:
        experience = after(*[a_case("no_effect", "restart cart/2")] * 3)

        other, whole = (told(experience, action=each) for each in ("restart db/1", "restart"))

        assert other.words == "restart replica cured 0 of 3 like this"
        assert (other.tries, whole.tries) == (3, 0)

    def test_what_is_seen_of_another_cause_counts_for_nothing(self) -> None:
        hang = Ailment(kind="service", cause="hang", signature="errors++")

        assert told(after(*[a_case("no_effect")] * 5), hang) == told(after(), hang)

    def test_what_made_it_worse_counts_more_than_what_did_nothing(self) -> None:
        assert told(after(a_case("worse"))).chance < told(after(a_case("failed"))).chance

    def test_a_relapse_outweighs_the_cure_that_it_was_taken_for(self) -> None:
        relapsed = told(after(a_case("helped"), a_case("relapsed")))

        assert relapsed.chance < told(after()).chance
        assert relapsed.words == "restart cured 0 of 1 like this"

    @pytest.mark.parametrize("now_s", [30 * 86_400.0, 0.0])
    def test_old_cases_fade_with_time_and_with_newer_cases(self, now_s: float) -> None:
        config = RankingConfig(half_life_cases=1.0 if now_s == 0.0 else 1e12)
        experience = after(a_case("helped"), config=config)
        if now_s == 0.0:
            experience.learn(a_case("helped", ailment=Ailment(kind="queue")))

        assert weight(experience, now_s) == pytest.approx(0.5)

    def test_a_clock_that_runs_backwards_fades_nothing(self) -> None:
        assert weight(after(a_case(at_s=100.0)), now_s=-1e9) == 1.0

    def test_what_did_not_help_in_this_incident_is_less_likely_to_help_now(self) -> None:
        experience = after(a_case("helped"))

        assert told(experience, refuted=1).chance == 0.4 * told(experience).chance


class TestDuration:
    def test_is_learned_from_cures_and_shrunk_to_what_was_expected(self) -> None:
        config = RankingConfig(prior_strength=1.0)

        estimate = told(
            after(a_case(took_s=40.0), a_case("no_effect", took_s=999.0), config=config),
            takes_s=10.0,
        )

        assert estimate.takes_s == pytest.approx(20.0, rel=0.01)  # The geometric mean.

    def test_differs_as_much_as_it_did(self) -> None:
        def spread(*took_s: float) -> float:
            experience = after(*[a_case(took_s=each) for each in took_s])
            return experience.posterior(CART, Remedy(action="restart"), 0.0).log_spread

        assert spread(*[10.0] * 20) < spread() == 0.5 < spread(*[1.0, 100.0] * 10)

    @pytest.mark.parametrize("took_s", [0.0, -1.0, math.inf, math.nan])
    def test_one_that_is_not_known_teaches_nothing(self, took_s: float) -> None:
        assert told(after(a_case(took_s=took_s)), takes_s=10.0).takes_s == pytest.approx(10.0)


class TestOrder:
    def test_without_experience_it_is_the_one_given(self) -> None:
        assert order(after(), "replace", "restart", "roll_back") == [
            "replace",
            "restart",
            "roll_back",
        ]

    def test_what_cured_passes_what_did_not(self) -> None:
        experience = after(*[a_case("no_effect"), a_case("helped", "replace")] * 3)

        assert order(experience, "restart", "replace") == ["replace", "restart"]

    def test_it_takes_more_against_a_persons_order(self) -> None:
        def first(cases: int, insistence: float) -> str:
            experience = after(*[a_case("no_effect"), a_case("helped", "replace")] * cases)
            return order(experience, "restart", "replace", insistence=insistence)[0]

        assert [first(1, 1.0), first(1, 2.0), first(3, 2.0)] == ["replace", "restart", "replace"]

    def test_a_quick_cure_of_half_the_cases_goes_before_a_slow_one_of_nearly_all(self) -> None:
        experience = after(
            *[a_case("helped", took_s=5.0), a_case("no_effect")] * 10,
            *[a_case("helped", "replace", took_s=300.0)] * 20,
        )
        slow_first = [
            Remedy(action="replace", takes_s=300.0, deadline_s=310.0),
            Remedy(action="restart", takes_s=5.0, deadline_s=10.0),
        ]

        ranked = experience.rank(CART, slow_first, 0.0)

        assert [each.action for each in ranked] == ["restart", "replace"]

    def test_what_costs_capacity_has_its_price(self) -> None:
        gentle, harsh = (
            told(after(), disruptive=disruptive).cost_s for disruptive in (False, True)
        )

        assert harsh > gentle


class TestWords:
    def test_tell_the_cases_that_come_nearest(self) -> None:
        cases = [a_case("helped"), a_case("no_effect"), a_case("helped")]
        experience = after(*cases, a_case("no_effect", "replace"))
        other = Ailment(kind="service", signature="alive")
        queue = Ailment(kind="queue", signature="alive")

        assert [
            told(experience).words,
            told(experience, other).words,
            told(experience, queue, takes_s=12.0).words,
            told(experience, action="replace").words,
            told(experience, action="scale", prior=0.25).words,
        ] == [
            "restart cured 2 of 3 like this, about 15.5s",
            "restart cured 2 of 3 in components of this kind, about 16.9s",
            "restart cured 2 of 3 in components of other kinds, about 12s",
            "replace cured 0 of 1 like this",
            "scale is untried, 25% expected",
        ]


class TestMemory:
    def test_what_is_no_verdict_teaches_nothing(self) -> None:
        experience = after()

        assert not experience.learn(a_case("refused"))
        assert told(experience).tries == 0

    def test_is_bounded_and_what_was_not_used_for_longest_goes(self) -> None:
        experience = Experience(RankingConfig(memory=5))
        seen = [Ailment(kind="service", signature=f"s{number}") for number in range(6)]
        for ailment in seen:
            experience.learn(a_case(ailment=ailment))

        assert experience.forgotten == 3
        assert [told(experience, each).tries for each in (seen[0], seen[-1])] == [6, 1]


class TestPriors:
    def test_are_chances_that_evidence_can_move(self) -> None:
        for table in (*BY_CAUSE.values(), *BY_KIND.values()):
            assert all(0.0 < chance < 1.0 for chance in table.values())

    @pytest.mark.parametrize(
        ("action", "kind", "cause", "chance"),
        [
            ("restart", "api", "", 0.6),
            ("restart", "api", "bad_deploy", 0.03),
            ("roll_back", "api", "bad_deploy", 0.9),
            ("scale", "worker", "poison_message", 0.1),
            ("reticulate", "worker", "", 0.4),
            ("restart", "api", "never heard of", 0.6),
        ],
    )
    def test_know_the_cause_or_at_least_the_kind(
        self, action: str, kind: Kind, cause: str, chance: float
    ) -> None:
        assert prior_of(action, kind, cause) == chance


def test_evidence_is_one_however_it_is_weighed() -> None:
    learned = Experience(RankingConfig())
    other = learned.seen_by(RankingConfig(again=0.9))

    assert other.config.again == 0.9
    assert other._evidence is learned._evidence
