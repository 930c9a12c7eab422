"""Plug-ins: good ones are loaded, bad ones are told apart with place and reason."""

import sys
import textwrap
from pathlib import Path

import pytest
from mendel.agents import AgentConfig, load_agents
from mendel.agents.registry import load_agent
from mendel.errors import PluginError

GOOD = """
    from typing import Annotated

    from mendel.agents import Agent, AgentConfig
    from msgspec import Meta


    class DrainFirst(Agent):
        class Config(AgentConfig, frozen=True, kw_only=True):
            drain_s: Annotated[float, Meta(gt=0)] = 3.0


    class Other(Agent):
        name = "second"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of imports; what is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    assert before <= set(sys.modules)
    return tmp_path


def write(folder: Path, module: str, text: str) -> None:
    (folder / f"{module}.py").write_text(textwrap.dedent(text))


def install(folder: Path, name: str, entries: str) -> None:
    """What an installer leaves behind of a package with entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mendel.agents]\n" + textwrap.dedent(entries))


def test_agents_are_loaded_by_name_with_their_settings(folder: Path) -> None:
    write(folder, "plugins_good", GOOD)

    agents, problems = load_agents(
        ["plugins_good:DrainFirst", "plugins_good:Other"],
        settings={"drain-first": {"drain": "10s"}},
    )

    assert problems == ()
    assert [(agent.name, agent.place) for agent in agents] == [
        ("drain-first", "plugins_good:DrainFirst"),
        ("second", "plugins_good:Other"),
    ]
    assert agents[0].config == agents[0].agent_class.Config(drain_s=10.0)
    assert agents[1].config == AgentConfig()


def test_installed_agents_are_found_by_entry_point(folder: Path) -> None:
    write(folder, "plugins_installed", GOOD)
    install(folder, "plugins", "drain = plugins_installed:DrainFirst\nbad = plugins_installed:No")

    agents, problems = load_agents(["plugins_installed:DrainFirst"])  # Named as well: once.

    assert [agent.place for agent in agents] == [
        "entry point 'drain' (plugins_installed:DrainFirst)"
    ]
    assert [str(problem) for problem in problems] == [
        "entry point 'bad' (plugins_installed:No): module 'plugins_installed' has no 'No'"
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "import failed: ModuleNotFoundError: No module named"),
        ("def broken(:", "import failed: SyntaxError: invalid syntax"),
        ("raise RuntimeError('boom\\nmore')", "import failed: RuntimeError: boom"),
        ("raise RuntimeError", "import failed: RuntimeError"),
        ("import sys; sys.exit(3)", "import failed: SystemExit: 3"),
        ("", "has no 'Plugin'"),
        ("Plugin = 5", "int is not a subclass of mendel.agents.Agent"),
        ("class Plugin: pass", "Plugin is not a subclass of mendel.agents.Agent"),
        (
            "from mendel.agents import Agent\nclass Plugin(Agent):\n    Config = dict",
            "Config of Plugin is <class 'dict'>; it must subclass AgentConfig",
        ),
        (
            "from mendel.agents import Agent\nclass Plugin(Agent):\n    Config = None",
            "Config of Plugin is None; it must subclass AgentConfig",
        ),
    ],
)
def test_a_bad_plugin_is_told_and_the_rest_is_loaded(
    folder: Path, source: str, reason: str, request: pytest.FixtureRequest
) -> None:
    module = f"plugins_bad_{abs(hash(source))}"
    write(folder, module, source)
    write(folder, "plugins_rest", GOOD)

    agents, problems = load_agents([f"{module}:Plugin", "plugins_rest:Other"])

    assert [agent.name for agent in agents] == ["second"]
    (problem,) = problems
    assert problem.place == f"{module}:Plugin"
    assert reason in problem.reason
    assert "\n" not in problem.reason


@pytest.mark.parametrize("place", ["plugins", "plugins:", ":Plugin", "a b:C", "plugins.Plugin"])
def test_a_place_of_the_wrong_form_is_told(place: str) -> None:
    (problem,) = load_agents([place]).problems

    assert "is not of the form 'package.module:Class'" in problem.reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"drain_s": -1}, "bad settings: ValidationError: Expected `float` > 0.0 - at `$.drain_s`"),
        (
            {"drian_s": 1.0},
            "bad settings: ValidationError: Object contains unknown field `drian_s`",
        ),
    ],
)
def test_bad_settings_are_told(folder: Path, settings: dict[str, float], reason: str) -> None:
    write(folder, "plugins_set", GOOD)

    agents, problems = load_agents(["plugins_set:DrainFirst"], settings={"drain-first": settings})

    assert (agents, [problem.reason for problem in problems]) == ((), [reason])


def test_a_name_belongs_to_the_first_who_takes_it(folder: Path) -> None:
    write(folder, "plugins_one", GOOD)
    write(folder, "plugins_two", GOOD)

    agents, problems = load_agents(
        ["plugins_one:DrainFirst", "plugins_two:DrainFirst", "plugins_two:Other"], taken=["second"]
    )

    assert [agent.place for agent in agents] == ["plugins_one:DrainFirst"]
    assert [problem.reason for problem in problems] == [
        "the name 'drain-first' is taken by plugins_one:DrainFirst; give the class another `name`",
        "the name 'second' is taken by mendel itself; give the class another `name`",
    ]


def test_one_agent_can_be_loaded_alone(folder: Path) -> None:
    write(folder, "plugins_alone", GOOD)

    assert load_agent("plugins_alone:Other").name == "second"
    with pytest.raises(PluginError, match=r"plugins_alone:Nobody: module .* has no 'Nobody'"):
        load_agent("plugins_alone:Nobody")
