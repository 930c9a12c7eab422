from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.errors import ConfigError
from mendel.scenarios.importers import (
    IMPORTERS,
    Imported,
    Names,
    Point,
    Source,
    import_recording,
)
from mendel.scenarios.importers.order import in_order
from mendel.scenarios.importers.source import LINE_BYTES_MAX, Last, Rates, parse_time
from mendel.scenarios.recording import Label, Record, Recording, Row

START = 1_700_000_000


def points(form: str, path: Path, text: str | bytes, names: Names = Names()) -> list[Point]:  # noqa: B008
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = Source(path)
    found = list(IMPORTERS[form](source, names))
    assert source.problems == []
    return found


def problems(form: str, path: Path, text: str | bytes) -> list[tuple[int, str]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = Source(path)
    list(IMPORTERS[form](source, Names()))
    assert all(each.source == str(path) for each in source.problems)
    return [(each.line, each.message) for each in source.problems]


class TestCsv:
    def test_wide_has_a_column_per_metric(self, tmp_path: Path) -> None:
        text = "time,component,latency_ms,ok\n1700000000,cart,31,true\n1700000001,db,,false\n"

        assert points("csv", tmp_path / "load.csv", text) == [
            (START, "cart", "latency_s", 0.031),
            (START, "cart", "ok", 1.0),
            (START + 1, "db", "ok", 0.0),
        ]

    def test_a_column_may_name_its_target(self, tmp_path: Path) -> None:
        text = "timestamp,cart.latency_s,db:ok,load\n2023-11-14T22:13:20Z,0.5,1,2\n"

        assert points("csv", tmp_path / "shop.csv", text) == [
            (START, "cart", "latency_s", 0.5),
            (START, "db", "ok", 1.0),
            (START, "shop", "load", 2.0),
        ]

    def test_long_has_a_line_per_value(self, tmp_path: Path) -> None:
        text = 'ts,metric,value,service\n1700000000500,"rss_megabytes",2,cart\n'

        assert points("csv", tmp_path / "load.csv", text) == [
            (START + 0.5, "cart", "rss_bytes", 2_000_000.0)
        ]

    def test_what_cannot_be_read_is_named_with_its_line(self, tmp_path: Path) -> None:
        text = b"time,ok\nyesterday,1\n1700000000,high\n1\n\n1700000001,1\n\xff,1\n"

        assert problems("csv", tmp_path / "bad.csv", text) == [
            (2, "`yesterday` is not a time"),
            (3, "`high` is not a number"),
            (4, "expected 2 columns, found 1"),
            (7, "byte 1 is not UTF-8"),
        ]

    def test_a_field_without_end_costs_itself_only(self, tmp_path: Path) -> None:
        text = f"time,ok\n1700000000,{'1' * 200_000}\n1700000001,1\n"

        assert problems("csv", tmp_path / "bad.csv", text) == [
            (2, "field larger than field limit (131072)")
        ]

    @pytest.mark.parametrize("text", ["1700000000,1\n", "just one column\n", ""])
    def test_columns_without_names_are_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError, match="no header"):
            points("csv", tmp_path / "bad.csv", text)

    def test_gaps_are_no_values(self, tmp_path: Path) -> None:
        assert points("csv", tmp_path / "gap.csv", "time,ok\n1700000000,NaN\n1700000001,\n") == []


class TestPrometheus:
    DUMP = (
        '{__name__="up", instance="a:1", job="api"} 1 1700000000000\n'
        '{__name__="up", instance="a:1", job="api"} 0 1700000001500\n'
        '{__name__="http_requests_total", job="api", code="500"} 100 1700000000000\n'
        '{__name__="http_requests_total", job="api", code="500"} 130 1700000010000\n'
        '{__name__="http_requests_total", job="api", code="500"} 5 1700000015000\n'
    )

    def test_a_dump_of_the_database(self, tmp_path: Path) -> None:
        assert points("prometheus", tmp_path / "dump.txt", self.DUMP) == [
            (START, "api", "up", 1.0),
            (START + 1.5, "api", "up", 0.0),
            (START + 10, "api", "http_requests_code_500_per_s", 3.0),
            (START + 15, "api", "http_requests_code_500_per_s", 1.0),  # Counted anew from 0.
        ]

    def test_the_text_format_with_everything_that_it_allows(self, tmp_path: Path) -> None:
        text = (
            "# HELP jobs Done.\n# TYPE jobs counter\n"
            "jobs 1 1700000000000\njobs 3 1700000001000\n\n"
            'weird{path="C:\\\\DIR\\\\",error="no \\"} 1\\"\\n",} +1e1 1700000000000\n'
            '{"dotted.name", service="db"} NaN 1700000000000\n'
            '{"dotted.name", service="db"} 2 1700000000000\n'
            'seconds_bucket{le="+Inf"} 1 1700000000000\n'
            "seconds_created 1 1700000000000\n"
        )

        assert points("prometheus", tmp_path / "app.prom", text) == [
            (START + 1, "app", "jobs_per_s", 2.0),
            (START, "app", "weird_error_no_1_path_C_DIR", 10.0),
            (START, "db", "dotted_name", 2.0),
        ]

    def test_openmetrics_counts_seconds_and_may_have_exemplars(self, tmp_path: Path) -> None:
        text = 'temperature_celsius{app="oven"} 21.5 1700000000.25 # {trace_id="x} 9"} 0.5\n# EOF\n'

        assert points("openmetrics", tmp_path / "x.om", text) == [
            (START + 0.25, "oven", "temperature_celsius", 21.5)
        ]

    def test_what_cannot_be_read_is_named_with_its_line(self, tmp_path: Path) -> None:
        text = 'up 1\nup{job="a 1 1700000000000\nup one 1700000000000\nup 1 1700000000000\n'

        assert problems("prometheus", tmp_path / "bad.prom", text) == [
            (1, "the sample has no time"),
            (2, "not a sample"),
            (3, "`one` is not a number"),
        ]


def otlp(metric: dict[str, Any], **resource: str) -> str:
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    scope = {"metrics": [metric]}
    return json.dumps(
        {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [scope]}]}
    )


def at(seconds: float, **fields: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(int((START + seconds) * 1e9)), **fields}


class TestOtlp:
    def read(self, folder: Path, *metrics: dict[str, Any]) -> list[Point]:
        lines = [otlp(metric, **{"service.name": "cart", "host.name": "a"}) for metric in metrics]
        return points("otlp", folder / "metrics.jsonl", "\n".join(lines) + "\n\n")

    def test_a_gauge_is_taken_in_our_unit(self, tmp_path: Path) -> None:
        attributes = [
            {"key": "pool", "value": {"stringValue": "main"}},
            {"key": "odd", "value": {"arrayValue": {}}},
            {"key": "ready", "value": {"boolValue": True}},
        ]
        gauge = {"dataPoints": [at(0, asDouble=250.0, attributes=attributes), at(1, asInt="7")]}
        metric = {"name": "db.wait", "unit": "ms", "gauge": gauge}

        assert self.read(tmp_path, metric) == [
            (START, "cart", "db_wait_odd_pool_main_ready_true_s", 0.25),
            (START + 1, "cart", "db_wait_s", 0.007),
        ]

    def test_a_sum_that_only_counts_up_becomes_a_rate(self, tmp_path: Path) -> None:
        counted = {"aggregationTemporality": 2, "isMonotonic": True}
        since = str(int((START - 10) * 1e9))
        delta = {"aggregationTemporality": 1, "isMonotonic": True}

        assert self.read(
            tmp_path,
            {"name": "sent", "sum": {**counted, "dataPoints": [at(0, asInt=5), at(2, asInt=9)]}},
            {
                "name": "lost",
                "sum": {**delta, "dataPoints": [at(0, asInt=5, startTimeUnixNano=since)]},
            },
            {"name": "queue", "sum": {"dataPoints": [at(0, asInt=3), at(1)]}},
        ) == [
            (START + 2, "cart", "sent_per_s", 2.0),
            (START, "cart", "lost_per_s", 0.5),
            (START, "cart", "queue", 3.0),
        ]

    def test_of_a_histogram_the_mean_since_the_last_point_is_taken(self, tmp_path: Path) -> None:
        data = [at(0, count="10", sum=1.0), at(5, count="30", sum=7.0), at(9, count="30", sum=7.0)]
        restarted = at(12, count="2", sum=4.0)
        histogram = {"aggregationTemporality": 2, "dataPoints": [*data, restarted]}

        assert self.read(
            tmp_path, {"name": "http.duration", "unit": "s", "histogram": histogram}
        ) == [
            (START, "cart", "http_duration_mean_s", 0.1),
            (START + 5, "cart", "http_duration_mean_s", 0.3),
            (START + 12, "cart", "http_duration_mean_s", 2.0),
        ]

    def test_replicas_of_a_service_count_each_for_itself(self, tmp_path: Path) -> None:
        counted = {"aggregationTemporality": 2, "isMonotonic": True}
        lines = [
            otlp(
                {"name": "sent", "sum": {**counted, "dataPoints": [at(second, asInt=value)]}},
                **{"service.name": "cart", "service.instance.id": replica},
            )
            for second, replica, value in ((0, "a", 100), (0, "b", 5), (1, "a", 101), (1, "b", 7))
        ]
        names = Names(replica_label="service.instance.id")

        assert points("otlp", tmp_path / "m.jsonl", "\n".join(lines), names) == [
            (START + 1, "cart/a", "sent_per_s", 1.0),
            (START + 1, "cart/b", "sent_per_s", 2.0),
        ]

    def test_a_summary_is_passed_over(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, {"name": "x", "summary": {"dataPoints": []}}) == []

    def test_a_rate_needs_a_value_and_a_while(self, tmp_path: Path) -> None:
        delta = {"aggregationTemporality": 1, "isMonotonic": True}
        never = str(int(START * 1e9))
        data = [at(0, asInt=5, startTimeUnixNano=never), at(1)]

        assert self.read(tmp_path, {"name": "x", "sum": {**delta, "dataPoints": data}}) == []

    def test_what_cannot_be_read_is_named_with_its_line(self, tmp_path: Path) -> None:
        bad_point = otlp(
            {"name": "x", "gauge": {"dataPoints": [{"timeUnixNano": "soon", "asInt": 1}]}}
        )
        text = f'{{"resourceSpans":[]}}\n{bad_point}\nnot json\n'

        found = problems("otlp", tmp_path / "bad.jsonl", text)

        assert [line for line, _ in found] == [1, 2, 3]
        assert "resourceMetrics" in found[0][1]
        assert "'soon'" in found[1][1]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("process_resident_memory_bytes", ("process_resident_memory_bytes", 1.0)),
            ("gc_pause_microseconds", ("gc_pause_s", 1e-6)),
            ("cpu.percent", ("cpu_share", 0.01)),
            ("hit-ratio", ("hit_share", 1.0)),
            ("seconds", ("seconds", 1.0)),
            ("!", ("value", 1.0)),
        ],
    )
    def test_a_metric_ends_in_its_unit(self, name: str, expected: tuple[str, float]) -> None:
        assert Names().metric_of(name) == expected

    def test_every_rule_can_be_overridden(self) -> None:
        names = Names(
            target_labels=("team",),
            replica_label="pod",
            targets={"Shop Cart": "cart"},
            metrics={"rt": "latency_s"},
        )

        assert names.target_of({"team": "Shop Cart", "pod": "1.2"}, "x") == "cart/1_2"
        assert names.metric_of("rt", {"code": "500"}) == ("latency_s", 1.0)
        assert Names(target="all").target_of({"job": "api"}, "x") == "all"
        assert Names().target_of({}, "--") == "unknown"


class TestRates:
    def test_a_moment_that_comes_twice_has_no_rate(self) -> None:
        rates = Rates()

        assert [rates.rate("a", at, 1.0) for at in (0.0, 0.0, 1.0)] == [None, None, 0.0]

    def test_the_series_not_heard_of_for_longest_is_forgotten(self) -> None:
        last = Last(series_max=2)
        for series in ("a", "b", "a", "c"):
            last.swap(series, (0.0, 1.0))

        assert [last.swap(series, (1.0, 1.0)) for series in ("a", "b")] == [(0.0, 1.0), None]


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.sampled_from("ab"), st.sampled_from("xy"), st.floats(-1, 1))
    ),
    st.integers(1, 5),
)
def test_points_are_sorted_the_same_in_parts_as_in_one(found: list[Point], in_memory: int) -> None:
    assert list(in_order(found, in_memory=in_memory)) == sorted(found, key=lambda each: each[:2])


def test_more_parts_than_may_be_open_are_merged() -> None:
    rng = random.Random(5)
    found = [(rng.random(), "a", "x", float(number)) for number in range(300)]

    assert list(in_order(found, in_memory=2)) == sorted(found)


class TestImport:
    def run(self, folder: Path, form: str, text: str, **options: Any) -> tuple[Imported, Source]:
        file = folder / "some.file"
        file.write_text(text)
        source = Source(file)
        return import_recording(form, source, folder / "out.jsonl.gz", **options), source

    def read(self, folder: Path) -> list[Record]:
        with Recording(folder / "out.jsonl.gz") as recording:
            return list(recording)

    def test_rows_come_in_the_order_of_time_and_hold_all_of_a_moment(self, tmp_path: Path) -> None:
        text = (
            'up{job="api"} 1 1700000001000\nup{job="api"} 0 1700000000000\n'
            'load{job="api"} 2 1700000000000\nup{job="db"} 1 1700000000000\n'
        )

        imported, _ = self.run(tmp_path, "prometheus", text)

        assert self.read(tmp_path) == [
            Row(0.0, "api", {"up": 0.0, "load": 2.0}),
            Row(0.0, "db", {"up": 1.0}),
            Row(1.0, "api", {"up": 1.0}),
        ]
        assert (imported.rows, imported.samples, imported.lasted_s) == (3, 4, 1.0)
        with Recording(tmp_path / "out.jsonl.gz") as recording:
            assert recording.header.start_utc == START

    def test_of_two_values_for_one_thing_the_last_counts_and_it_is_told(
        self, tmp_path: Path
    ) -> None:
        text = 'up{job="api",instance="a"} 1 1700000000000\nup{job="api"} 0 1700000000000\n'

        imported, _ = self.run(tmp_path, "prometheus", text)

        assert self.read(tmp_path) == [Row(0.0, "api", {"up": 0.0})]
        assert imported.doubled == 1

    def test_a_file_with_nothing_in_it_makes_no_recording(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="nothing in it can be read as otlp") as refused:
            self.run(tmp_path, "otlp", "hello\n")

        assert refused.value.problems[0].line == 1
        assert not (tmp_path / "out.jsonl.gz").exists()

    def test_windows_of_nab_become_labels(self, tmp_path: Path) -> None:
        windows = tmp_path / "windows.json"
        windows.write_text(
            '{"known/some.file": [["2023-11-14 22:13:21.000000", "2023-11-14 22:13:25.000000"]]}'
        )

        self.run(tmp_path, "nab", "timestamp,value\n2023-11-14 22:13:20,7\n", windows=windows)

        assert self.read(tmp_path) == [
            Label(at_s=1.0, until_s=5.0, target="some", name="anomaly", metric="value"),
            Row(0.0, "some", {"value": 7.0}),
        ]

    @pytest.mark.parametrize("content", ["{}", "[]", None])
    def test_windows_of_another_file_are_refused(self, tmp_path: Path, content: str | None) -> None:
        windows = tmp_path / "windows.json"
        if content is not None:
            windows.write_text(content)

        with pytest.raises(ConfigError, match=r"windows\.json"):
            self.run(tmp_path, "nab", "timestamp,value\n1700000000,7\n", windows=windows)


class TestSource:
    @pytest.mark.parametrize(
        "text",
        [
            *("1700000000", "1700000000000", "1700000000000000", "1700000000000000000"),
            *("2023-11-14T22:13:20Z", "2023-11-14 23:13:20+01:00", "2023-11-14 22:13:20"),
        ],
    )
    def test_a_moment_may_be_written_in_many_ways(self, text: str) -> None:
        assert parse_time(text) == START

    def test_a_line_without_end_does_not_fill_the_memory(self, tmp_path: Path) -> None:
        found = problems("otlp", tmp_path / "endless", b"x" * (LINE_BYTES_MAX + 1))

        assert found == [(1, f"the line is longer than {LINE_BYTES_MAX:,} bytes")]

    def test_a_compressed_file_is_read_like_any_other(self, tmp_path: Path) -> None:
        text = gzip.compress(b"time,ok\n1700000000,1\n")

        assert points("csv", tmp_path / "a.csv.gz", text) == [(START, "a", "ok", 1.0)]

    def test_a_compressed_file_that_breaks_off_is_read_as_far_as_it_goes(
        self, tmp_path: Path
    ) -> None:
        lines = "".join(f"{START + number},{number}\n" for number in range(5_000))
        whole = gzip.compress(("time,ok\n" + lines).encode())

        found = problems("csv", tmp_path / "a.csv.gz", whole[: len(whole) // 2])

        assert len(found) == 1
        assert "damaged from here on" in found[0][1]

    def test_a_file_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such file"):
            list(Source(tmp_path / "gone.csv").lines())

    def test_only_so_many_problems_are_kept_and_all_are_counted(self, tmp_path: Path) -> None:
        (tmp_path / "bad.prom").write_text("?\n" * 1_000)
        source = Source(tmp_path / "bad.prom")

        assert list(IMPORTERS["prometheus"](source, Names())) == []
        assert (source.skipped, len(source.problems)) == (1_000, 20)
