from __future__ import annotations

from pathlib import Path

import pytest
from mendel.core.detection.detect import Threshold
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.core.watching.watch import WatchConfig
from mendel.runtime.config import Config, DefaultsConfig, load
from mendel.runtime.render import render
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec, Secret

CONFIG = Config(
    policy=PolicyConfig(mode="observe", approve=("restart",)),
    defaults=DefaultsConfig(
        watch=WatchConfig(thresholds={"latency_s": Threshold(above=0.3)}, window_rows=10),
        playbook=PlaybookConfig(attempts=3),
    ),
    agents=("a.b:C",),
    agent={"drain": {"wait": 1.5, "labels": {"a b": [1, True]}}, "empty": {}},
    components=(
        ComponentSpec(
            name="cart",
            kind="api",
            depends_on=("db",),
            probes=(ProbeSpec(http="http://h/", match='a\\d "x"\n\x7f', every_s=0.25),),
            actions={"restart": ActionSpec(exec=("a", "b c"))},
        ),
        ComponentSpec(
            name="db",
            process=ProcessSpec(exec=("./db",), env={"PASSWORD": Secret(env="DB_PASSWORD")}),
        ),
    ),
)


@pytest.mark.parametrize("full", [False, True])
def test_what_is_written_reads_back_as_the_same(tmp_path: Path, full: bool) -> None:
    path = tmp_path / "mendel.toml"
    path.write_text(render(CONFIG, full=full))

    assert load(path, environ={"DB_PASSWORD": "x"}).config == CONFIG


def test_it_looks_like_this() -> None:
    assert render(CONFIG) == (
        'agents = ["a.b:C"]\n'
        "\n"
        "[policy]\n"
        'mode = "observe"\n'
        'approve = ["restart"]\n'
        "\n"
        "[defaults.watch]\n"
        "thresholds = { latency_s = { above = 0.3 } }\n"
        "window_rows = 10\n"
        "\n"
        "[defaults.playbook]\n"
        "attempts = 3\n"
        "\n"
        "[agent.drain]\n"
        "wait = 1.5\n"
        'labels = { "a b" = [1, true] }\n'
        "\n"
        "[agent.empty]\n"
        "\n"
        "[[components]]\n"
        'name = "cart"\n'
        'kind = "api"\n'
        'depends_on = ["db"]\n'
        'probes = [{ http = "http://h/", every_s = 0.25, match = "a\\\\d \\"x\\"\\n\\u007f" }]\n'
        'actions = { restart = { exec = ["a", "b c"] } }\n'
        "\n"
        "[[components]]\n"
        'name = "db"\n'
        'process = { exec = ["./db"], env = { PASSWORD = { env = "DB_PASSWORD" } } }\n'
    )


def test_no_secret_is_written() -> None:
    config = Config(
        agent={"x": {"api_key": "s3cret", "nested": {"password": "s3cret"}}},
        components=(
            ComponentSpec(
                name="a",
                probes=(
                    ProbeSpec(
                        http="http://me:s3cret@h/", headers={"Authorization": "Bearer s3cret"}
                    ),
                ),
                actions={"r": ActionSpec(exec=("curl", "--token=s3cret"))},
            ),
        ),
    )

    text = render(config)

    assert "s3cret" not in text
    assert 'http = "http://***@h/"' in text
