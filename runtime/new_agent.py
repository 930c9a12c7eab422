"""Writes a package with an agent of a user's own, which installs and passes its tests as it is."""

from __future__ import annotations

import re
from keyword import iskeyword
from pathlib import Path

from ..errors import ConfigError, EnvironmentProblem
from .system import OWN_AGENTS

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME_MAX = 40

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "@NAME@"
version = "0.1.0"
description = "An agent for mendel."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["mendel"]

[project.optional-dependencies]
test = ["pytest>=8.4", "pytest-asyncio>=1.4"]

# This is how mendel finds it: whoever installs the package has the agent.
[project.entry-points."mendel.agents"]
@NAME@ = "@PACKAGE@:@CLASS@"

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
"*" = ["py.typed"]

[tool.pytest.ini_options]
testpaths = ["tests"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
"""

AGENT = '''\
"""Prepares restarts: calls are drained before a component is restarted, but not again and again."""

from __future__ import annotations

from typing import Annotated

from mendel import Advice, Agent, AgentConfig, Gene, RecoveryProposed, on
from msgspec import Meta


class @CLASS@(Agent):
    """Advise to drain a component before it is restarted."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        """How it advises.

        Attributes:
            quiet_s: after it has advised to drain a component, it says nothing more about it for
                so long: a component that is restarted again has no calls left to drain.
        """

        # Meta says what is valid, Gene where evolution may look; without Gene it is yours alone.
        quiet_s: Annotated[float, Meta(gt=0), Gene(low=5, high=600, scale="log", unit="s")] = 60.0

    async def on_start(self) -> None:
        """Each life begins without memory; what must outlive it belongs into the journal."""
        self._advised_s: dict[str, float] = {}

    @on(RecoveryProposed)
    async def advise(self, proposal: RecoveryProposed) -> Advice | None:
        """Answer before an action is run; no answer means that it has nothing against it."""
        last_s = self._advised_s.get(proposal.target)
        is_quiet = last_s is not None and self.now_s - last_s < self.config.quiet_s
        if proposal.action != "restart" or is_quiet:
            return None
        self._advised_s[proposal.target] = self.now_s
        return Advice(before=("drain",))
'''

INIT = '''\
"""@CLASS@, an agent for mendel."""

from .agent import @CLASS@

__all__ = ["@CLASS@"]
'''

TEST = '''\
"""What the agent does, and that it keeps what all agents keep."""

from __future__ import annotations

from mendel import Advice, RecoveryProposed
from mendel.scenarios.rehearsal import Rehearsal
from mendel.scenarios.testing import AgentContract

from @PACKAGE@ import @CLASS@


class Test@CLASS@Contract(AgentContract):
    """Eleven tests: it bears what it handles, restarts, new settings, the ends of its genes ..."""

    agent_class = @CLASS@


def a_proposal(action: str = "restart", target: str = "cart") -> RecoveryProposed:
    return RecoveryProposed(
        target=target, incident="1-1", action=action, attempt=1, deadline_s=10_000.0
    )


async def test_a_restart_is_prepared_and_nothing_else(mendel_system: Rehearsal) -> None:
    await mendel_system.add(@CLASS@)

    assert await mendel_system.ask_all(a_proposal("restart")) == [Advice(before=("drain",))]
    assert await mendel_system.ask_all(a_proposal("replace")) == []


async def test_it_is_quiet_about_a_component_for_a_while(mendel_system: Rehearsal) -> None:
    await mendel_system.add(@CLASS@, quiet_s="10m")

    await mendel_system.ask_all(a_proposal(target="cart"))

    assert await mendel_system.ask_all(a_proposal(target="cart")) == []
    assert await mendel_system.ask_all(a_proposal(target="db")) == [Advice(before=("drain",))]
    await mendel_system.advance(601.0)  # In virtual time, ten minutes take no time.
    assert await mendel_system.ask_all(a_proposal(target="cart")) == [Advice(before=("drain",))]
'''

README = """\
# @NAME@

An agent for [mendel](https://pypi.org/project/mendel/).

    pip install -e '.[test]'
    pytest
    mendel agents test @PACKAGE@:@CLASS@

Once it is installed where mendel runs, it is found by itself. It is tuned in `mendel.toml`:

    [agent.@NAME@]
    quiet = "2m"
"""


def write_package(name: str, into: Path) -> tuple[Path, list[Path]]:
    """Write the package.

    Args:
        name: of the agent, in small letters with hyphens.
        into: folder that its folder is put into.

    Returns:
        its folder, and the files in it.

    Raises:
        ConfigError: the name is not of that form, taken, or there is something already.
        EnvironmentProblem: it cannot be written.
    """
    _check_name(name)
    package = name.replace("-", "_")
    class_name = "".join(part.capitalize() for part in name.split("-"))
    folder = into / name
    if folder.exists():
        raise ConfigError(f"{folder} is there already; nothing was written")
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"src/{package}/__init__.py": INIT,
        f"src/{package}/agent.py": AGENT,
        f"src/{package}/py.typed": "",
        f"tests/test_{package}.py": TEST,
    }
    words = {"@NAME@": name, "@PACKAGE@": package, "@CLASS@": class_name}
    written = []
    try:
        for path, text in files.items():
            for word, value in words.items():
                text = text.replace(word, value)
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            written.append(file)
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be written: {error.strerror}") from None
    return folder, written


def _check_name(name: str) -> None:
    taken = sorted(kind.name for kind in OWN_AGENTS)
    if name in taken:
        raise ConfigError(f"{name!r} is an agent of mendel's own, as are {', '.join(taken)}")
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX or iskeyword(package):
        raise ConfigError(
            f"{name!r} is no name for an agent; it is made of small letters, digits and hyphens, "
            "such as drain-first"
        )
    if package in ("mendel", "test", "tests"):
        raise ConfigError(f"{name!r} is the name of something else; choose another one")
