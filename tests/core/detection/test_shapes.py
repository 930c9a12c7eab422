from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.shapes import signature_of

METRICS = ("alive", "ok", "error_rate", "latency_s", "request_rate", "retries_rate", "frobs")
SCORES = st.dictionaries(st.sampled_from(METRICS), st.floats(-50.0, 50.0), max_size=7)


class TestSignature:
    def test_it_names_what_is_out_and_how_far(self) -> None:
        scores = {"error_rate": 9.0, "latency_s": 1.5, "request_rate": -2.0, "cpu_share": 0.7}

        assert signature_of(scores) == "errors++ latency+ rate-"

    def test_two_metrics_of_a_role_are_one_symptom_and_the_worse_one_counts(self) -> None:
        assert signature_of({"error_rate": 1.2, "timeouts": 8.0}) == "errors++"

    def test_of_what_does_not_work_at_all_only_the_worst_is_told(self) -> None:
        assert signature_of({"ok": 2.0}) == "ok"
        assert signature_of({"ok": 2.0, "answered": 2.0}) == "answered"
        assert signature_of({"ok": 2.0, "answered": 2.0, "alive": 2.0}) == "alive"

    def test_nothing_out_of_the_ordinary_has_a_key_too(self) -> None:
        assert signature_of({}) == "none"
        assert signature_of({"latency_s": 0.99}) == "none"

    def test_what_is_not_a_number_is_no_symptom(self) -> None:
        assert signature_of({"latency_s": math.nan}) == "none"

    def test_the_same_size_both_ways_has_one_key_whichever_came_first(self) -> None:
        up_first = signature_of({"request_rate": 2.0, "qps": -2.0})

        assert up_first == signature_of({"qps": -2.0, "request_rate": 2.0}) == "rate+"

    @given(scores=SCORES)
    def test_the_order_of_the_metrics_does_not_matter(self, scores: dict[str, float]) -> None:
        assert signature_of(scores) == signature_of(dict(reversed(scores.items())))
