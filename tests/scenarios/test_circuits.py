"""Circuits that are run again on recorded calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.circuits.circuit import CircuitConfig, Outcome
from mendel.core.watching.watch import CALLS
from mendel.runtime.cli import main
from mendel.scenarios.circuits import CALLS_MAX, CircuitRun, _outcomes, run_circuits
from mendel.scenarios.recording import SCHEMA, Header, RecordingWriter, Row

DURABLE = CircuitConfig(failure_rate=0.9, open_jitter=0.0)
NERVOUS = CircuitConfig(failure_rate=0.2, minimum_calls=5, open_s=3.0, open_jitter=0.0)


def calls(at_s: float, number: int, failed: float = 0.0, slow: float = 0.0) -> Row:
    metrics = {"calls": float(number), "call_failure_rate": failed, "call_slow_rate": slow}
    return Row(at_s, "db", metrics, "", CALLS)


def an_illness() -> Iterator[Row]:
    """Ten calls a second; from 6 s to 8 s half of them fail."""
    for second in range(1, 21):
        yield calls(float(second), 10, failed=0.5 if 6 < second <= 8 else 0.0)


def test_one_that_bears_more_stays_closed() -> None:
    assert run_circuits(an_illness(), {"db": DURABLE}) == [
        CircuitRun(target="db", calls=200, refused=0, opened=0, opened_s=())
    ]


def test_one_that_bears_less_opens_and_refuses() -> None:
    (run,) = run_circuits(an_illness(), {"db": NERVOUS})

    # Every second call fails, so the fourth failure among twenty calls is the eighth call.
    assert run.opened == 1
    assert run.opened_s[0] == pytest.approx(6.8)
    # Three seconds, and in the trial after them nothing fails any more.
    assert 28 <= run.refused <= 31


def test_slow_calls_open_it_too() -> None:
    rows = [calls(1.0, 20, failed=0.25, slow=0.75)]
    config = CircuitConfig(failure_rate=0.9, slow_call_rate=0.5)

    (run,) = run_circuits(rows, {"db": config})

    assert run.opened == 1


def test_whoever_is_not_configured_has_the_defaults() -> None:
    (run,) = run_circuits([calls(1.0, 10, failed=1.0)], {})

    assert (run.opened, run.refused) == (1, 0)  # The tenth call is the first that is judged.


def test_of_a_second_with_very_many_calls_a_part_stands_for_all() -> None:
    (run,) = run_circuits(
        [calls(1.0, 10 * CALLS_MAX, failed=0.5), calls(2.0, 10 * CALLS_MAX)], {"db": NERVOUS}
    )

    assert run.calls == 20 * CALLS_MAX
    assert run.refused == pytest.approx(20 * CALLS_MAX, rel=0.01)


@given(st.integers(0, 400), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_as_many_are_bad_as_the_rates_say(number: int, failed: float, slow: float) -> None:
    total, outcomes = _outcomes(calls(1.0, number, failed, slow).metrics)

    assert (total, len(outcomes)) == (number, number)
    assert outcomes.count(Outcome.FAILURE) == round(number * failed)
    wanted = min(round(number * slow), number - round(number * failed))
    assert outcomes.count(Outcome.SLOW) == wanted


def test_two_configurations_are_compared_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RecordingWriter(tmp_path / "calls.jsonl", Header(schema=SCHEMA)) as writer:
        for row in an_illness():
            writer.write([row, Row(row.at_s, "db", {"ok": 1.0}, "http")])
    component = '[[components]]\nname = "db"\nprobes = [{ http = "http://127.0.0.1:1/" }]\n'
    for name, rate in (("durable", 0.9), ("nervous", 0.2)):
        guard = f"guard = {{ circuit = {{ failure_rate = {rate}, open_jitter = 0.0 }} }}\n"
        Path(f"{name}.toml").write_text(component + guard)

    done = main(["replay", "calls.jsonl", "--config", "durable.toml", "--config", "nervous.toml"])

    told = capsys.readouterr().out
    assert done == 0, told
    assert (
        "calls.jsonl under durable.toml: the circuit of db refuses 0 of 200 calls; it never opens"
    ) in told
    assert "calls.jsonl under nervous.toml: the circuit of db refuses" in told
    assert "it opens once at 6.800 s" in told
