from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.units import (
    field_of,
    format_duration,
    format_value,
    parse_quantity,
    short_name,
    spelled_out,
    unit_of,
)
from mendel.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250us", 0.00025),
        ("800ms", 0.8),
        ("2s", 2.0),
        ("1.5 s", 1.5),
        ("1m30s", 90.0),
        ("10min", 600.0),
        ("1h 5m", 3900.0),
        ("90d", 7_776_000.0),
        ("100ms200ms", 0.3),
    ],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_quantity(text, "s") == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("512B", 512), ("64kB", 64_000), ("64MB", 64_000_000), ("1.5GiB", 1_610_612_736)],
)
def test_sizes_are_read_in_bytes(text: str, size: float) -> None:
    assert parse_quantity(text, "bytes") == size


@pytest.mark.parametrize("text", ["", " ", "2", "ms", "2x", "-1s", "1s2", "1e3s", "2 MB", "1,5s"])
def test_what_is_no_duration_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match='"800ms", "2s", "1m30s"'):
        parse_quantity(text, "s")


@pytest.mark.parametrize("text", ["2", "2 m", "2mb", "2s", "MB"])
def test_what_is_no_size_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match='"64MB"'):
        parse_quantity(text, "bytes")


@given(st.floats(min_value=0.001, max_value=1e6))
def test_a_shown_duration_reads_back_as_nearly_the_same(seconds: float) -> None:
    shown = format_duration(seconds)

    assert parse_quantity(shown, "s") == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("field", "unit", "short"),
    [
        ("every_s", "s", "every"),
        ("backoff_s_max", "s", "backoff_max"),
        ("log_bytes", "bytes", "log"),
        ("status", "", "status"),
        ("max_size", "", "max_size"),
        ("s", "", "s"),
    ],
)
def test_the_unit_of_a_field_is_in_its_name(field: str, unit: str, short: str) -> None:
    assert (unit_of(field), short_name(field)) == (unit, short)


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("latency_s", 0.0123, "12.3ms"),
        ("drift_s", -2.5, "-2.5"),
        ("memory_bytes", 21_945_678.0, "21.9MB"),
        ("memory_bytes", 3e9, "3GB"),
        ("queue_bytes", 512.0, "512B"),
        ("ok", 1.0, "1"),
        ("cpu_share", 0.309645, "0.3096"),
    ],
)
def test_values_are_shown_in_the_unit_of_their_metric(
    metric: str, value: float, shown: str
) -> None:
    assert format_value(metric, value) == shown


def test_a_key_is_a_field_with_or_without_its_unit() -> None:
    fields = ["every_s", "log_bytes", "name"]

    assert [field_of(key, fields) for key in ("every", "every_s", "log", "name", "evry")] == [
        "every_s",
        "every_s",
        "log_bytes",
        "name",
        None,
    ]


def test_settings_get_the_names_and_numbers_of_their_fields() -> None:
    settings = {"every": "2s", "log_bytes": "1kB", "wait_s": 3, "name": "5s", "other": "x"}

    assert spelled_out(settings, ["every_s", "log_bytes", "wait_s", "name"]) == {
        "every_s": 2.0,
        "log_bytes": 1000,
        "wait_s": 3,
        "name": "5s",
        "other": "x",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": "2x"}, "every: '2x' will not do; expected a duration such as"),
        ({"every": "2s", "every_s": 2}, "`every` and `every_s` are the same field; keep one"),
    ],
)
def test_settings_of_the_wrong_form_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spelled_out(settings, ["every_s"])
