"""Show that an installed wheel is whole: run in its environment, with the path of the checkout."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

# pytest, which whoever tests agents has; httpx, which whoever guards it has; the extra `otlp`.
NEEDS_AN_EXTRA = {
    "mendel.scenarios.testing",
    "mendel.agents.guards.over_httpx",
    "mendel.runtime.telemetry.otlp",
    "mendel.runtime.telemetry.points",
}


def modules_of(checkout: Path) -> set[str]:
    """Names of all modules that the checkout says it ships (tests/test_packaging.py checks it)."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    names = set()
    for package in project["tool"]["setuptools"]["packages"]:
        folder = checkout.joinpath(*package.split(".")[1:])
        names |= {f"{package}.{file.stem}" for file in folder.glob("*.py")}
    return {name.removesuffix(".__init__") for name in names}


def main() -> None:
    """Import every module from the wheel, and call the command."""
    modules = modules_of(Path(sys.argv[1])) - NEEDS_AN_EXTRA
    for module in sorted(modules):
        found = importlib.import_module(module).__file__ or ""
        assert Path(found).is_relative_to(sys.prefix), f"{module} is not from the wheel: {found}"
    command = Path(sys.executable).with_name("mendel")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout, done.stdout
    print(f"{len(modules)} modules, mendel --help")


if __name__ == "__main__":
    main()
