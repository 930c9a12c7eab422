import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus import check_pattern, check_subject, matches
from mendel.bus.subjects import PatternMap
from mendel.errors import SubjectError

TOKENS = st.sampled_from(["a", "b", "web>cart", "*x"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=5)
PATTERNS = st.tuples(
    st.lists(TOKENS | st.just("*"), max_size=4), TOKENS | st.sampled_from(["*", ">"])
).map(lambda parts: [*parts[0], parts[1]])


def oracle(pattern: list[str], subject: list[str]) -> bool:
    """The definition, token by token, as a person would read it."""
    if not pattern or not subject:
        return not pattern and not subject
    if pattern == [">"]:
        return True
    return pattern[0] in ("*", subject[0]) and oracle(pattern[1:], subject[1:])


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("anomaly.detected", "anomaly.detected", True),
        ("anomaly.*", "anomaly.detected", True),
        ("anomaly.*", "anomaly.detected.cart", False),
        ("anomaly.*.cart", "anomaly.detected.cart", True),
        ("anomaly.>", "anomaly.detected.cart", True),
        ("anomaly.>", "anomaly", False),
        (">", "anomaly", True),
        ("web>cart", "web>cart", True),
        ("web>cart", "webs", False),
        ("*.web>cart", "edge.web>cart", True),
    ],
)
def test_patterns_are_read_as_nats_reads_them(pattern: str, subject: str, expected: bool) -> None:
    assert matches(pattern, subject) is expected


@given(PATTERNS, SUBJECTS)
def test_matching_agrees_with_its_definition(pattern: list[str], subject: list[str]) -> None:
    assert matches(".".join(pattern), ".".join(subject)) == oracle(pattern, subject)


@given(st.lists(PATTERNS, max_size=12), st.data(), SUBJECTS)
def test_a_map_finds_exactly_what_matches(
    patterns: list[list[str]], data: st.DataObject, subject: list[str]
) -> None:
    texts = [".".join(pattern) for pattern in patterns]
    map_: PatternMap[int] = PatternMap()
    for number, text in enumerate(texts):
        map_.add(text, number)
    gone = data.draw(st.sets(st.sampled_from(range(len(texts))))) if texts else set()
    for number in gone:
        map_.remove(texts[number], number)

    expected = [n for n, p in enumerate(patterns) if n not in gone and oracle(p, subject)]
    assert sorted(map_.find(".".join(subject))) == expected


def test_a_map_that_is_emptied_keeps_nothing() -> None:
    map_: PatternMap[int] = PatternMap()
    for pattern in ("a.b", "a.*.c", "a.>"):
        map_.add(pattern, 1)
    for pattern in ("a.b", "a.*.c", "a.>"):
        map_.remove(pattern, 1)

    assert map_.find("a.b") == []
    assert map_._root.children == {}
    assert map_._literal == {}


def test_what_is_not_in_a_map_cannot_be_removed() -> None:
    map_: PatternMap[int] = PatternMap()
    with pytest.raises(KeyError):
        map_.remove("a.*", 1)


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("", "empty token"),
        ("a..b", "empty token"),
        (".a", "empty token"),
        ("a.", "empty token"),
        ("a b", "whitespace"),
        ("a\tb", "whitespace"),
        ("a.*", "wildcard"),
        ("a.>", "wildcard"),
    ],
)
def test_a_bad_subject_is_refused(subject: str, problem: str) -> None:
    with pytest.raises(SubjectError, match=problem):
        check_subject(subject)


@pytest.mark.parametrize("pattern", ["", "a..b", ">.a", "a.>.b", "a b.>"])
def test_a_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(SubjectError):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["a", "a.*.b", "*", ">", "a.>", "web>cart.*x"])
def test_a_good_pattern_comes_back(pattern: str) -> None:
    assert check_pattern(pattern) == pattern
