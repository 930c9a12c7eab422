"""What is in the tree is in the wheel, and importing it costs nothing."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUTSIDE = {"tests", "benchmarks", "docs", "examples", "build", "dist", "changelog.d"}
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
HEAVY = {"numpy", "scipy", "pymoo", "aiohttp", "anyio", "psutil", "rich", "sqlite3"}


def folders_with(suffix: str) -> set[Path]:
    """Folders of the package, relative to the root, that hold a file with this suffix."""
    files = (file.relative_to(ROOT) for file in ROOT.rglob(f"*{suffix}"))
    inside = (file for file in files if file.parts[0] not in OUTSIDE)
    return {file.parent for file in inside if not any(part.startswith(".") for part in file.parts)}


def name_of(folder: Path) -> str:
    return ".".join(("mendel", *folder.parts))


def test_every_folder_with_code_is_a_package_that_ships() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(name_of(each) for each in folders_with(".py"))


def test_every_package_has_its_init_file() -> None:
    assert [
        each for each in folders_with(".py") if not (ROOT / each / "__init__.py").exists()
    ] == []


def test_no_tool_in_the_root_ships_by_accident() -> None:
    assert {file.name for file in ROOT.glob("*.py")} <= {"__init__.py", "__main__.py", "errors.py"}


def test_files_beside_the_code_ship() -> None:
    tops = {folder.parts[0] for folder in folders_with(".py") if folder.parts}
    files = {file for top in tops for file in (ROOT / top).rglob("*") if file.is_file()}
    beside = {each for each in files if each.suffix != ".py" and each.parent.name != "__pycache__"}
    shipped = {
        file
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for file in ROOT.joinpath(*package.split(".")[1:]).glob(pattern)
    }

    assert sorted(beside - shipped) == []
    assert ROOT / "py.typed" in shipped


class TestImport:
    """Of ``mendel`` in a fresh interpreter, without the coverage tool of this one."""

    def python(self, *arguments: str) -> str:
        env = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def test_loads_nothing_heavy(self) -> None:
        report = self.python("-X", "importtime", "-c", "import mendel")

        loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
        assert "mendel" in loaded
        assert loaded & HEAVY == set()

    def test_takes_less_than_120_ms_of_cpu_with_the_interpreter(self) -> None:
        code = "import mendel, time; print(time.process_time())"

        assert min(float(self.python("-c", code)) for _ in range(3)) < 0.120
