"""What is tuned on never meets what it is judged by."""

from __future__ import annotations

import pytest
from mendel.errors import ConfigError
from mendel.scenarios.simulator import GROUPS, SHAPES, TRAINING, VALIDATION, name_of


def test_training_and_validation_share_no_shape_and_no_seed() -> None:
    assert set(TRAINING.shapes).isdisjoint(VALIDATION.shapes)
    assert {*TRAINING.shapes, *VALIDATION.shapes} == set(SHAPES)
    assert set(range(*TRAINING.seeds)).isdisjoint(range(*VALIDATION.seeds))


def test_training_refuses_the_shape_and_the_seeds_of_validation() -> None:
    with pytest.raises(ConfigError, match="shape 'validation' is not for training"):
        TRAINING.course("validation", 1, ("crash",))
    with pytest.raises(ConfigError, match="seed 10000 is not for training, which has 0 to 9999"):
        TRAINING.course("shop", 10_000, ("crash",))
    with pytest.raises(ConfigError, match="shape 'validation' is not for training"):
        list(TRAINING.courses(shapes=("validation",)))
    with pytest.raises(ConfigError, match="seed 10000 is not for training"):
        list(TRAINING.courses([("crash",)], shapes=("shop",), seeds=10_001))


def test_validation_refuses_what_was_tuned_on() -> None:
    with pytest.raises(ConfigError, match="shape 'shop' is not for validation"):
        VALIDATION.course("shop", 20_000, ("crash",))
    with pytest.raises(ConfigError, match="seed 1 is not for validation"):
        VALIDATION.course("validation", 1, ("crash",))


def test_seeds_that_were_looked_at_once_belong_to_nobody_any_more() -> None:
    for split in (TRAINING, VALIDATION):
        with pytest.raises(ConfigError, match=f"seed 10001 is not for {split.name}"):
            split.course(split.shapes[0], 10_001, ("crash",))


def test_every_group_befalls_something_somewhere_in_both() -> None:
    for split in (TRAINING, VALIDATION):
        drawn = list(split.courses(seeds=1))
        assert {group for group, _ in drawn} == set(GROUPS)
        assert all(tuple(f.kind for f in course.faults) == group for group, course in drawn)


def test_a_sample_takes_turns_over_the_shapes_and_gives_each_course_a_seed_of_its_own() -> None:
    drawn = list(TRAINING.sample([("crash",), ("hang",)], count=2, skip=7))

    assert [(group, course.estate.name, course.seed) for group, course in drawn] == [
        (("crash",), "shop", 7),
        (("crash",), "chain", 8),
        (("hang",), "chain", 7),
        (("hang",), "fan_out", 8),
    ]


def test_a_sample_passes_over_estates_that_a_fault_can_not_befall() -> None:
    drawn = [course.estate.name for _, course in TRAINING.sample([("poison_message",)], count=3)]

    assert drawn == ["pipeline"] * 3


def test_a_sample_is_refused_what_belongs_elsewhere() -> None:
    with pytest.raises(ConfigError, match="shape 'validation' is not for training"):
        list(TRAINING.sample(shapes=("validation",)))
    with pytest.raises(ConfigError, match="seed 10000 is not for training"):
        list(TRAINING.sample(skip=10_000))


def test_a_day_without_faults_is_a_group_of_its_own() -> None:
    (group, course), *_ = TRAINING.courses([()], shapes=("shop",), seeds=1, until_s=60.0)

    assert (group, course.faults, course.until_s) == ((), (), 60.0)
    assert name_of(group) == "quiet"
    assert name_of(("spike", "limplock")) == "spike+limplock"
