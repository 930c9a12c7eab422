"""The schema that editors complete from says the same as the reader of files."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mendel.core.detection.detect import Threshold
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.runtime.cli import main
from mendel.runtime.config import Config, DefaultsConfig, load
from mendel.runtime.render import render
from mendel.runtime.schema import config_schema
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec, Secret

ROOT = Path(__file__).parents[2]
PROBE = 'probes = [{ tcp = "127.0.0.1:1" }]\n'


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = config_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def wrong(validator: Draft202012Validator, text: str) -> list[list[Any]]:
    """Places of what the schema has against a text."""
    tree = json.loads(json.dumps(tomllib.loads(text), default=str))
    return [list(error.absolute_path) for error in validator.iter_errors(tree)]


def toml_blocks() -> list[str]:
    """Configurations in the pages, those that show whole components."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    return [block for block in blocks if "[[components]]" in block]


def examples() -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "examples").glob("*.toml"))]


@pytest.mark.parametrize("text", [*toml_blocks(), *examples()])
def test_every_configuration_that_we_show_is_valid(
    validator: Draft202012Validator, text: str
) -> None:
    assert wrong(validator, text) == []


def test_there_are_configurations_to_check() -> None:
    assert len(toml_blocks()) >= 2
    assert len(examples()) >= 1


def test_a_configuration_that_is_written_out_whole_is_valid(
    validator: Draft202012Validator,
) -> None:
    action = ActionSpec(exec=("true",), undo="back", check=("true",))
    config = Config(
        defaults=DefaultsConfig(watch=WatchConfig(thresholds={"queue": Threshold(above=3)})),
        components=(
            ComponentSpec(
                name="cart",
                process=ProcessSpec(exec=("cart",), env={"KEY": Secret(env="KEY")}),
                probes=(ProbeSpec(heartbeat_s=3.0),),
                actions={"act": action, "back": action},
                verify={"window_s": 3.0},
            ),
        ),
    )

    assert wrong(validator, render(config, full=True)) == []
    assert wrong(validator, render(config)) == []


@pytest.mark.parametrize(
    "text",
    [
        f'[[components]]\nname = "a"\nevry = 1\n{PROBE}',
        '[[components]]\nname = "a"\nprobes = [{ tcp = "h:1", every = "1 sec" }]\n',
        '[[components]]\nname = "a"\nprobes = [{ tcp = "h:1", every = 0 }]\n',
        f'[[components]]\nname = "a"\nkind = "databse"\n{PROBE}',
        f'[[components]]\nname = "a b"\n{PROBE}',
        f'[[components]]\nname = "a"\n{PROBE}verify = {{ windwo = 3 }}\n',
        f'[[components]]\nname = "a"\n{PROBE}thresholds = {{ x = {{ above = "much" }} }}\n',
        f'[policy]\nmode = "off"\n[[components]]\nname = "a"\n{PROBE}',
        f'[agent.monitor]\nsweep = "soon"\n[[components]]\nname = "a"\n{PROBE}',
        f'[kinds.databse]\nlevel = "full"\n[[components]]\nname = "a"\n{PROBE}',
        "[[components]]\nkind = 'api'\n",
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(
    validator: Draft202012Validator, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "mendel.toml"
    path.write_text(text)
    if "[agent" not in text:  # Settings of agents are read when the agents are known.
        with pytest.raises(ConfigError):
            load(path, environ={})

    assert wrong(validator, text) != []


@pytest.mark.parametrize(
    "text",
    [
        '[[components]]\nname = "a"\nprobes = [{ tcp = "h:1", every = "1m30s" }]\n',
        '[[components]]\nname = "a"\nprobes = [{ tcp = "h:1", every_s = 2 }]\n',
        f'[[components]]\nname = "a"\n{PROBE}'
        'thresholds = { latency_s = { above = "300ms" }, memory_bytes = { above = "1.5GiB" } }\n',
        f'[resources]\nmemory = "300MB"\n[[components]]\nname = "a"\n{PROBE}',
        f'[agent.monitor]\nsweep = "2s"\n[[components]]\nname = "a"\n{PROBE}',
        f'[kinds.database]\nmode = "observe"\n[[components]]\nname = "a"\n{PROBE}',
    ],
)
def test_what_the_reader_takes_the_schema_takes(
    validator: Draft202012Validator, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "mendel.toml"
    path.write_text(text)
    load(path, environ={})

    assert wrong(validator, text) == []


def test_every_field_says_what_it_means() -> None:
    schema = config_schema()
    silent = [
        f"{name}.{field}"
        for name, each in {"Config": schema, **schema["$defs"]}.items()
        for field, content in each.get("properties", {}).items()
        if "description" not in content
    ]

    assert silent == []


def test_the_command_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "config"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(config_schema()))
