from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.windows import METRICS_MAX, Rows


def test_rows_come_out_oldest_first_with_gaps_where_a_metric_was_missing() -> None:
    rows = Rows(3)
    rows.add(1.0, {"ok": 1.0})
    rows.add(2.0, {"load": 7.0})

    assert rows.columns() == ((1.0, 2.0), {"ok": (1.0, None), "load": (None, 7.0)})


def test_at_the_bound_the_oldest_row_goes() -> None:
    rows = Rows(2)
    for time_s in (1.0, 2.0, 3.0):
        rows.add(time_s, {"ok": time_s * 10})

    assert rows.columns() == ((2.0, 3.0), {"ok": (20.0, 30.0)})


def test_too_many_metrics_are_left_out_and_counted() -> None:
    rows = Rows(2)

    rows.add(1.0, {f"m{number}": 1.0 for number in range(METRICS_MAX + 2)})

    assert (len(rows.columns()[1]), rows.ignored) == (METRICS_MAX, 2)


@given(
    capacity=st.integers(1, 5),
    table=st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-9, 9)), max_size=20),
)
def test_a_ring_keeps_what_a_list_would(capacity: int, table: list[dict[str, float]]) -> None:
    rows = Rows(capacity)
    for number, metrics in enumerate(table):
        rows.add(float(number), metrics)

    times_s, columns = rows.columns()

    newest = table[-capacity:]
    assert times_s == tuple(float(number) for number in range(len(table))[-capacity:])
    for name in {name for metrics in newest for name in metrics}:
        assert columns[name] == tuple(metrics.get(name) for metrics in newest)


def test_a_larger_ring_keeps_every_row() -> None:
    rows = Rows(2)
    for number in range(3):
        rows.add(float(number), {"a": float(number)} if number != 1 else {"b": 1.0})

    larger = rows.resized(3)
    larger.add(3.0, {"a": 3.0})

    values = {"a": (None, 2.0, 3.0), "b": (1.0, None, None)}
    assert larger.columns() == ((1.0, 2.0, 3.0), values)


def test_a_smaller_ring_keeps_the_newest_rows() -> None:
    rows = Rows(4)
    for number in range(4):
        rows.add(float(number), {"a": float(number)})

    assert rows.count == 4
    assert rows.resized(2).columns() == ((2.0, 3.0), {"a": (2.0, 3.0)})


def test_the_newest_values_are_those_of_all_probes_that_take_turns() -> None:
    rows = Rows(4)
    assert rows.newest() == {}
    for time_s in range(6):
        rows.add(float(time_s), {"ok": float(time_s)} if time_s % 2 else {"cpu_share": 0.5})

    assert rows.newest() == {"ok": 5.0, "cpu_share": 0.5}


def test_a_ring_that_takes_over_goes_on_counting() -> None:
    rows = Rows(2)
    for time_s in (1.0, 2.0, 3.0):
        rows.add(time_s, {"ok": 1.0})

    other = rows.resized(5)
    other.add(4.0, {"ok": 1.0})

    assert other.count == 4
