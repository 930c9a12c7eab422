"""The pytest plug-in, as a user's project sees it: pytest runs in a process of its own."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mendel.scenarios.virtual_time import VirtualTimeLoop


@pytest.fixture
async def started_s() -> float:
    await asyncio.sleep(100.0)
    return asyncio.get_running_loop().time()


@pytest.mark.virtual_time
async def test_a_marked_test_and_its_fixtures_share_one_virtual_clock(started_s: float) -> None:
    await asyncio.sleep(3600.0)

    assert started_s == 100.0
    assert asyncio.get_running_loop().time() == 3700.0


async def test_an_unmarked_test_keeps_the_loop_of_asyncio() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


def pytest_in(folder: Path, test: str, *, conftest: str = "", mode: str = "auto") -> str:
    (folder / "test_user.py").write_text(textwrap.dedent(test))
    (folder / "conftest.py").write_text(textwrap.dedent(conftest))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    command += ["--strict-markers", "-W", "error", "-o", f"asyncio_mode={mode}"]
    command += ["-o", "asyncio_default_fixture_loop_scope=function", "test_user.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


SLEEPER = """
    import asyncio, pytest

    pytestmark = pytest.mark.virtual_time

    async def test_sleeps():
        await asyncio.sleep(1e6)
        assert asyncio.get_running_loop().time() == 1e6

    def test_needs_no_loop():
        pass
"""


def test_it_is_loaded_by_being_installed(tmp_path: Path) -> None:
    assert "2 passed" in pytest_in(tmp_path, SLEEPER)


def test_a_users_own_choice_of_loops_stays_for_the_other_tests(tmp_path: Path) -> None:
    report = pytest_in(
        tmp_path,
        SLEEPER.replace("pytestmark =", "marked =").replace(
            "    async def", "    @marked\n    async def"
        )
        + """
    async def test_other():
        assert type(asyncio.get_running_loop()).__name__ == "Own"
""",
        conftest="""
            import asyncio

            class Own(asyncio.SelectorEventLoop):
                pass

            def pytest_asyncio_loop_factories(config, item):
                return {"own": Own}
        """,
    )

    assert "3 passed" in report


def test_a_marked_test_that_would_wait_in_real_time_is_refused(tmp_path: Path) -> None:
    report = pytest_in(tmp_path, SLEEPER, mode="strict")

    assert "marked virtual_time, but not run by pytest-asyncio" in report
    assert "test_user.py::test_sleeps" in report
    assert "test_needs_no_loop" not in report
