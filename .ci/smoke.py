"""Show that an installed wheel is whole: run in its environment, far from the checkout.

python smoke.py FILES    # FILES lists the Python files of the checkout, one per line
"""

import importlib
import subprocess
import sys
from pathlib import Path

OUTSIDE = {"tests", "benchmarks", "docs", "examples", ".ci"}
NEEDS_AN_EXTRA = {"mendel.scenarios.testing"}  # pytest, which whoever tests agents has.


def module_of(file: Path) -> str:
    """Name under which a file of the checkout is imported (``mendel.bus`` for its __init__)."""
    parts = file.with_suffix("").parts
    return ".".join(("mendel", *(part for part in parts if part != "__init__")))


def main() -> None:
    """Import every module that the checkout has, and call the command."""
    files = [Path(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    modules = {module_of(file) for file in files if file.parts[0] not in OUTSIDE}
    for module in sorted(modules - NEEDS_AN_EXTRA):
        found = importlib.import_module(module).__file__ or ""
        assert Path(found).is_relative_to(sys.prefix), f"{module} is not from the wheel: {found}"
    command = Path(sys.executable).with_name("mendel")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout, done.stdout
    print(f"{len(modules)} modules, mendel --help")


if __name__ == "__main__":
    main()
