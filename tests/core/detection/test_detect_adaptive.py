import math
import random
from typing import Any

import msgspec
import pytest
from mendel.core.detection.detect import Verdict
from mendel.core.detection.detect_adaptive import AdaptiveDetection, AdaptiveDetector
from mendel.errors import ConfigError

RAISED, CLEARED = Verdict.RAISED, Verdict.CLEARED


def a_detector(**settings: Any) -> AdaptiveDetector:
    return AdaptiveDetector(AdaptiveDetection(**settings))


def latencies(count: int, seed: int = 1, *, level: float = 0.1) -> list[float]:
    """A latency with a tail, in seconds."""
    draw = random.Random(seed)
    return [level + 0.02 * abs(draw.gauss(0, 1)) for _ in range(count)]


def feed(
    detector: AdaptiveDetector, values: list[float], *, from_s: float = 0.0, step_s: float = 1.0
) -> list[tuple[float, Verdict]]:
    """What the values change, and when; a second apart."""
    stamps_s = [from_s + number * step_s for number in range(len(values))]
    verdicts = [
        (stamp_s, detector.update(value, stamp_s))
        for stamp_s, value in zip(stamps_s, values, strict=True)
    ]
    return [(stamp_s, each) for stamp_s, each in verdicts if each is not Verdict.UNCHANGED]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"low": 1.0, "high": 1.0}, "low=1 must be less than high=1"),
        ({"samples": 4, "of": 3}, "samples=4 exceeds of=3: it could never alarm"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AdaptiveDetection(**settings)

    assert str(caught.value) == complaint


def test_a_step_is_an_alarm_until_it_is_over() -> None:
    detector = a_detector()

    changes = feed(detector, [*latencies(2000), *latencies(60, 2, level=0.4), *latencies(60, 3)])

    assert changes == [(2001.0, RAISED), (2062.0, CLEARED)]


def test_an_alarm_says_when_it_began() -> None:
    detector = a_detector()
    assert detector.onset_s == math.inf

    feed(detector, [*latencies(2000), 0.4, 0.4])

    assert (detector.alarmed, detector.suspect, detector.onset_s) == (True, True, 2000.0)


def test_an_alarm_says_what_was_expected_and_why_it_is_one() -> None:
    detector = a_detector(low=0.0)

    feed(detector, [*latencies(2000), 0.4, 0.45])

    said = detector.describe("latency_s", 0.45)
    assert said.startswith("latency_s is 0.45, expected 0.116 (0.0")
    assert "; above all but one in " in said
    low, high = detector.band
    assert low < 0.1 < detector.expected < high < 0.2
    assert detector.score(0.45) > 5.0
    assert detector.is_bad(0.45)
    assert not detector.is_bad(0.11)


def test_what_never_happened_before_is_told_as_such() -> None:
    detector = a_detector()

    feed(detector, [*latencies(2000), 0.4], step_s=60.0)

    assert detector.describe("latency_s", 0.4).endswith("; further out than ever before")


def test_a_drop_is_told_as_such() -> None:
    detector = a_detector()

    feed(detector, [*latencies(2000, level=5.0), 2.0, 2.0])

    assert "; below all but one in " in detector.describe("requests_rate", 2.0)


@pytest.mark.parametrize(
    ("direction", "up", "down"),
    [("up", True, False), ("down", False, True), ("both", True, True)],
)
def test_only_the_direction_that_matters_is_an_alarm(direction: Any, up: bool, down: bool) -> None:
    found = []
    for value in (9.0, 1.0):
        detector = a_detector(direction=direction)
        feed(detector, [*latencies(2000, level=5.0), *[value] * 5])
        found.append(detector.alarmed)

    assert found == [up, down]


def test_bands_end_where_the_possible_ends() -> None:
    detector = a_detector(low=0.0, high=1.0)
    draw = random.Random(1)

    feed(detector, [min(1.0, max(0.0, draw.gauss(0.5, 0.3))) for _ in range(500)])

    assert detector.band == (0.0, 1.0)
    assert 0.0 < detector.expected < 1.0


def test_three_incidents_in_a_row_are_three_alarms() -> None:
    detector = a_detector()
    values = latencies(2000)
    for seed in (2, 3, 4):
        values += [*latencies(20, seed, level=0.5), *latencies(40, seed + 10)]

    kinds = [verdict for _, verdict in feed(detector, values)]

    assert kinds == [RAISED, CLEARED] * 3


def test_a_level_that_stays_is_normal_after_its_time() -> None:
    detector = a_detector(relearn_s=300.0)
    feed(detector, latencies(2000))

    changes = feed(detector, latencies(1500, 2, level=0.4), from_s=2000.0)

    assert [verdict for _, verdict in changes] == [RAISED, CLEARED]
    assert 2300.0 < changes[1][0] < 2600.0
    assert detector.band[0] < 0.41 < detector.band[1]


def test_an_alarm_that_gets_clearly_worse_is_raised_again() -> None:
    detector = a_detector()

    changes = feed(detector, [*latencies(2000), *[0.4] * 10, *[4.0] * 3])

    assert changes == [(2001.0, RAISED), (2010.0, RAISED)]


def test_nothing_is_learned_while_the_target_is_healed() -> None:
    detector = a_detector(relearn_s=60.0)
    feed(detector, latencies(2000))
    before = detector.save()["scorer"]

    detector.hold(3000.0)
    feed(detector, [0.8] * 900, from_s=2000.0)

    after = detector.save()["scorer"]
    learned = ("_calibrations", "_day", "_drift", "_fast", "_ranks", "_slow", "_spreads", "count")
    assert {name: after[name] for name in learned} == {name: before[name] for name in learned}
    assert detector.alarmed


def test_a_quiet_metric_keeps_to_its_budget() -> None:
    alarms = 0
    for seed in range(3):
        detector = a_detector()
        changes = feed(detector, latencies(5000, seed), step_s=60.0)
        alarms += sum(verdict is RAISED for _, verdict in changes)

    assert alarms <= 1  # Three times three and a half days, and one a month is granted.


def test_a_greater_budget_draws_a_lower_line() -> None:
    strict, lax = a_detector(alarms_per_month=0.5), a_detector(alarms_per_month=500.0)
    for detector in (strict, lax):
        feed(detector, latencies(10), step_s=60.0)

    assert strict.line == pytest.approx(math.log10(43_200 / 0.5) / 1.5)
    assert lax.line == 2.0


def test_no_sample_is_no_news() -> None:
    detector = a_detector()
    feed(detector, latencies(100))

    assert detector.update(math.nan, 101.0) is Verdict.UNCHANGED
    assert detector.score(0.9) > 1.0
    assert a_detector().score(0.9) == 0.0


def test_proof_may_be_asked_for() -> None:
    detector = a_detector(clear=3)
    feed(detector, latencies(100))
    found = [detector.suspect]

    detector.ask_for_proof()

    found.append(detector.suspect)
    feed(detector, latencies(3), from_s=100.0)
    assert [*found, detector.suspect] == [False, True, False]


def restored(first: AdaptiveDetector, *, shift_s: float = 0.0) -> AdaptiveDetector:
    """Another detector that goes on with what the first one has learned, by way of a file."""
    second = AdaptiveDetector(first.config)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())), shift_s)
    return second


def test_what_was_learned_survives_a_restart() -> None:
    first = a_detector()
    feed(first, latencies(2000))

    second = restored(first)

    assert feed(second, [0.4] * 2, from_s=2000.0) == [(2001.0, RAISED)]
    assert feed(first, [0.4] * 2, from_s=2000.0) == [(2001.0, RAISED)]
    assert second.raw_score == first.raw_score
    assert second.line == first.line


def test_the_time_of_the_day_goes_on_in_a_run_that_counts_from_another_moment() -> None:
    draw = random.Random(3)

    def at_hour(hour: float) -> float:
        return 10.0 + 8.0 * (8 <= hour % 24 < 18) + draw.gauss(0, 0.3)

    detector = a_detector()
    hours = [number / 12 for number in range(6 * 24 * 12)]
    feed(detector, [at_hour(hour) for hour in hours], step_s=300.0)

    # The clock of the new run stands at 1000 s when that of the old one would have stood at day 6.
    detector = restored(detector, shift_s=6 * 86_400.0 - 1000.0)
    again = restored(detector)
    day = [at_hour(hour) for hour in hours[: 24 * 12]]

    for each in (detector, again):
        assert feed(each, day, from_s=1000.0, step_s=300.0) == []
        assert each.expected == pytest.approx(10.0, abs=1.5)


def test_it_says_how_many_samples_it_still_has_to_see() -> None:
    detector = a_detector()
    missing = [detector.missing]

    feed(detector, latencies(40))
    missing.append(detector.missing)
    feed(detector, latencies(40, 2), from_s=40.0)

    assert [*missing, detector.missing] == [48, 8, 0]


def test_only_the_settings_that_it_learns_by_are_its_basis() -> None:
    cautious = a_detector(direction="up", alarms_per_month=0.1, clear=9, high=1.0)

    assert cautious.basis == a_detector(direction="up").basis
    assert cautious.basis != a_detector(direction="up", floor=0.5).basis


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 99}, "has version 99, this one reads 2"),
        ({"scorer": {}}, "is damaged"),
        ({"interval_s": "long"}, "is damaged"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(change: dict[str, Any], complaint: str) -> None:
    detector = a_detector()
    feed(detector, latencies(200))

    with pytest.raises(ConfigError, match=complaint):
        detector.restore(detector.save() | change)

    assert detector.missing == 0
