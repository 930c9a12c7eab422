import json
import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[2] / "benchmarks" / "adoption.py"


def test_what_does_harm_is_kept_out_and_what_helps_is_let_in() -> None:
    found = subprocess.run(
        [sys.executable, STUDY, "--installations", "60", "--output", "json"],
        capture_output=True,
        text=True,
    )

    report = json.loads(found.stdout)
    assert found.returncode == 0, report
    assert report["harmful_naive_good_incumbent"] > 0.6, "the study would prove nothing"
    assert report["harmful"] <= 0.03
    assert report["gain_kept"] >= 0.5
