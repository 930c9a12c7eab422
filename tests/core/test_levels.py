from itertools import pairwise

from mendel.core.levels import LEVELS
from msgspec import structs


def test_each_level_can_do_all_that_the_one_below_can() -> None:
    rows = [structs.asdict(LEVELS[name]) for name in ("basic", "advanced", "full")]

    for lower, higher in pairwise(rows):
        assert {name for name, on in lower.items() if on} < {n for n, on in higher.items() if on}


def test_the_first_level_is_the_plain_one_and_the_last_has_everything() -> None:
    assert not any(structs.asdict(LEVELS["basic"]).values())
    assert all(structs.asdict(LEVELS["full"]).values())
