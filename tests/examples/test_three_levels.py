"""The example of the three levels does what its page says, with a real child process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "three_levels.py"


def test_the_same_lines_heal_the_same_process_on_each_level() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, timeout=50, check=False
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "basic     started 3 times, healed, healed",
        "advanced  started 3 times, healed, healed",
        "full      started 3 times, healed, healed",
    ]
