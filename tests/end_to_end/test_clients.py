"""Programs of other languages, with clients generated from the description of the API."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mendel import guard
from mendel.agents.guards.registry import forget
from mendel.runtime.launch import launch
from mendel.runtime.web.openapi import describe
from mendel.runtime.web.token import token_of

SOURCES = Path(__file__).parents[1] / "clients" / "typescript"
CONFIG = """\
[web]
port = 0

[[components]]
name = "cart"
kind = "api"
probes = [{ heartbeat = "60s", every = "100ms" }]

[[components]]
name = "db"
kind = "database"
probes = [{ heartbeat = "60s" }]
"""

pytestmark = pytest.mark.timeout(240)


def done(*command: str, cwd: Path) -> None:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in TypeScript, type-checked strictly and built."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("typescript")
    for each in SOURCES.iterdir():
        shutil.copy(each, folder)
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    fetched = subprocess.run(install, cwd=folder, capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip("the registry of npm cannot be reached")
    (folder / "openapi.json").write_text(json.dumps(describe("1")))
    bin_ = folder / "node_modules" / ".bin"
    done(str(bin_ / "openapi-typescript"), "openapi.json", "-o", "mendel.d.ts", cwd=folder)
    done(str(bin_ / "tsc"), "--project", ".", cwd=folder)
    return folder / "built" / "client.js"


@pytest.fixture
def guarded() -> Iterator[None]:
    guard("ts-db")
    yield
    forget("ts-db")


@pytest.mark.usefixtures("guarded")
async def test_a_program_in_typescript_takes_part(client: Path, tmp_path: Path) -> None:
    (tmp_path / "mendel.toml").write_text(CONFIG)
    async with launch(tmp_path / "mendel.toml") as system:
        process = await asyncio.create_subprocess_exec(
            "node",
            str(client),
            system.url,
            token_of(tmp_path / ".mendel"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=client.parents[1],
        )
        async with asyncio.timeout(60.0):
            told, errors = await process.communicate()

    assert process.returncode == 0, errors.decode()
    assert json.loads(told) == {
        "components": ["cart api", "db database"],
        "incident": "cart",
        "seen": True,
        "permitted": True,
        "refused": 404,
    }
