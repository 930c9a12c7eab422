"""The example in the documentation is a program that runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "replay.md"


def test_a_world_of_ones_own_is_healed(tmp_path: Path) -> None:
    program = tmp_path / "world.py"
    program.write_text(PAGE.read_text().partition("```python\n")[2].partition("```")[0])

    done = subprocess.run(
        (sys.executable, program), capture_output=True, text=True, timeout=50, check=False
    )

    assert done.stdout == "{'cart': {'restart': 1}} ['healed']\n", done.stderr
