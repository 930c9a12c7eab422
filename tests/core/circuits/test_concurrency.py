import pytest
from mendel.core.circuits.circuit import Outcome
from mendel.core.circuits.concurrency import AdaptiveLimit, AdaptiveLimitConfig, room
from mendel.errors import ConfigError


class Target:
    """Works on ``capacity`` calls at once, each for 0.1 s, in rounds of full load."""

    def __init__(self, capacity: int, **settings: float) -> None:
        self.capacity = capacity
        self.limit = AdaptiveLimit(AdaptiveLimitConfig(**settings))  # type: ignore[arg-type]
        self.now_s = 0.0
        self.limits: list[int] = []

    def play(self, rounds: int, load: int = 10_000, failed: bool = False) -> None:
        """In each round as many calls begin as may, and all of them end."""
        for _ in range(rounds):
            begun = 0
            while begun < load and self.limit.enter():
                begun += 1
            latency_s = 0.1 * max(begun / self.capacity, 1.0)
            self.now_s += latency_s
            outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
            for _ in range(begun):
                self.limit.leave(latency_s, outcome, self.now_s)
            self.limits.append(self.limit.limit)


class TestAdaptiveLimit:
    @pytest.mark.parametrize("capacity", [10, 40, 200])
    def test_settles_a_little_above_what_the_target_can_work_on(self, capacity: int) -> None:
        target = Target(capacity)

        target.play(200)

        settled = sorted(target.limits[-50:])
        assert capacity <= settled[25] <= 1.35 * capacity

    def test_follows_a_capacity_that_drops_and_returns(self) -> None:
        target = Target(40)
        target.play(100)

        target.capacity = 10
        target.play(40)
        low = target.limits[-1]
        target.capacity = 40
        target.play(60)

        assert low <= 16
        assert max(target.limits[-20:]) >= 40

    def test_a_floor_learned_under_load_is_corrected_by_probes(self) -> None:
        target = Target(10, initial=40, maximum=40)

        target.play(400)

        assert target.limit.floor_s == pytest.approx(0.1, rel=0.15)

    def test_a_target_that_became_slower_is_not_starved(self) -> None:
        target = Target(20)
        target.play(100)
        floor_s = target.limit.floor_s
        assert floor_s is not None

        for _ in range(600):  # Three times slower at any load.
            begun = 0
            while target.limit.enter():
                begun += 1
            latency_s = 0.3 * max(begun / 20, 1.0)
            target.now_s += latency_s
            for _ in range(begun):
                target.limit.leave(latency_s, Outcome.SUCCESS, target.now_s)

        assert target.limit.limit >= 14
        assert target.limit.floor_s == pytest.approx(0.3, rel=0.2)

    def test_does_not_grow_while_nobody_asks_for_more(self) -> None:
        target = Target(1_000)

        target.play(100, load=15)

        assert target.limit.limit == 20

    def test_on_an_idle_target_the_floor_is_learned_without_probes(self) -> None:
        target = Target(1_000, probe_s=1e6)
        target.play(20, load=5)

        for _ in range(100):  # A tenth slower, with few calls in flight.
            target.now_s += 0.11
            for _ in range(5):
                target.limit.enter()
            for _ in range(5):
                target.limit.leave(0.11, Outcome.SUCCESS, target.now_s)

        assert target.limit.floor_s == pytest.approx(0.11)
        assert target.limit.limit == 20

    def test_grows_where_the_target_has_room(self) -> None:
        target = Target(10_000, maximum=300)

        target.play(200)

        assert max(target.limits) == 300

    def test_calls_that_are_given_up_cut_it_at_once(self) -> None:
        target = Target(40)
        target.play(100)
        before = target.limit.limit

        for _ in range(3):
            begun = 0
            while target.limit.enter():
                begun += 1
            target.now_s += 1.0
            for _ in range(begun):
                target.limit.leave(1.0, Outcome.FAILURE, target.now_s)

        assert target.limit.limit <= before / 3

    def test_a_target_nobody_gets_an_answer_from_keeps_a_few_slots(self) -> None:
        target = Target(40, minimum=2)
        target.play(20)
        limit = target.limit
        for _ in range(40):
            begun = 0
            while limit.enter():
                begun += 1
            target.now_s += 1.0
            for _ in range(begun):
                limit.leave(1.0, Outcome.FAILURE, target.now_s)

        assert limit.limit == 2
        assert limit.floor_s == pytest.approx(0.1)

    def test_errors_that_come_quickly_and_cancellations_say_nothing(self) -> None:
        target = Target(20)
        target.play(30)
        before = target.limit.limit

        for _ in range(1_000):
            target.limit.enter()
            target.limit.leave(0.001, Outcome.FAILURE, target.now_s)
            target.limit.enter()
            target.limit.leave(99.0, Outcome.NEUTRAL, target.now_s)

        assert target.limit.limit == before

    def test_the_least_important_calls_are_refused_first(self) -> None:
        limit = AdaptiveLimit(AdaptiveLimitConfig(initial=20))

        entered = {
            priority: sum(limit.enter(priority) for _ in range(20)) for priority in (3, 2, 1, 0)
        }

        assert entered == {3: 14, 2: 2, 1: 2, 0: 2}
        assert limit.refused == 60

    def test_no_priority_starves_on_an_idle_target(self) -> None:
        assert [room(1, priority) for priority in range(4)] == [1, 1, 1, 1]
        assert room(10, priority=99) == room(10, priority=3)


def test_a_start_outside_of_the_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="initial=20 is not between minimum=30"):
        AdaptiveLimitConfig(minimum=30)
