"""What holds for a component, when several layers have a word in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from mendel.core.detection.detect import Threshold
from mendel.core.policy import Mode
from mendel.core.topology import Component
from mendel.errors import ConfigError
from mendel.runtime.config import Config, load
from mendel.runtime.factory import modes_of, settings_of
from mendel.runtime.layers import DefaultsConfig
from mendel.runtime.specs import ComponentSpec

FIVE_LAYERS = """\
[defaults.verify]
window = "20s"
worse_factor = 3

[levels.advanced.verify]
window = "15s"

[kinds.database]
level = "advanced"
mode = "recommend"
verify = { window = "40s" }

[kinds.api.playbook]
attempts = 3

[[components]]
name = "db"
kind = "database"
probes = [{ tcp = "127.0.0.1:1" }]

[[components]]
name = "replica"
kind = "database"
mode = "act"
probes = [{ tcp = "127.0.0.1:2" }]
verify = { worse_factor = 5 }

[[components]]
name = "cart"
kind = "api"
level = "advanced"
probes = [{ tcp = "127.0.0.1:3" }]

[[components]]
name = "mail"
level = "full"
probes = [{ tcp = "127.0.0.1:4" }]
"""


def load_text(folder: Path, text: str, *settings: str, **environ: str) -> Config:
    path = folder / "mendel.toml"
    path.write_text(text)
    return load(path, environ=environ, settings=settings).config


def settled(config: Config) -> dict[str, DefaultsConfig]:
    components = [Component(name=each.name, kind=each.kind) for each in config.components]
    return settings_of(config, components)


class TestLayers:
    def test_the_nearer_layer_wins_field_by_field(self, tmp_path: Path) -> None:
        found = settled(load_text(tmp_path, FIVE_LAYERS))

        verify = {
            name: (each.verify.window_s, each.verify.worse_factor) for name, each in found.items()
        }
        assert verify == {
            "db": (40.0, 3.0),  # Its kind is nearer than its level.
            "replica": (40.0, 5.0),
            "cart": (15.0, 3.0),
            "mail": (20.0, 3.0),
        }
        attempts = {name: each.playbook.attempts for name, each in found.items()}
        assert attempts == {"db": 2, "replica": 2, "cart": 3, "mail": 2}

    def test_a_level_is_that_of_the_component_or_its_kind_or_the_estate(
        self, tmp_path: Path
    ) -> None:
        more = '[[components]]\nname = "web"\nprobes = [{ tcp = "127.0.0.1:5" }]\n'

        found = settled(load_text(tmp_path, FIVE_LAYERS + more))

        levels = {name: each.level for name, each in found.items()}
        assert levels == {
            "db": "advanced",
            "replica": "advanced",
            "cart": "advanced",
            "mail": "full",
            "web": "basic",
        }

    def test_a_mode_is_that_of_the_component_or_its_kind(self, tmp_path: Path) -> None:
        expected: dict[str, Mode] = {"db": "recommend", "replica": "act"}

        assert modes_of(load_text(tmp_path, FIVE_LAYERS)) == expected

    def test_tables_by_name_are_completed_not_replaced(self, tmp_path: Path) -> None:
        text = """\
        [defaults.watch.thresholds]
        latency_s = { above = "300ms" }
        queue = { above = 100 }

        [kinds.worker.watch.thresholds]
        queue = { above = 1000 }

        [[components]]
        name = "mail"
        kind = "worker"
        probes = [{ tcp = "127.0.0.1:1" }]
        watch = { confirm = "100ms", thresholds = { ok = { below = 0.5 } } }
        thresholds = { age_s = { above = "1h" } }
        """

        mail = settled(load_text(tmp_path, text))["mail"].watch

        assert mail.confirm_s == 0.1
        assert mail.thresholds == {
            "latency_s": Threshold(above=0.3),
            "queue": Threshold(above=1000),
            "ok": Threshold(below=0.5),
            "age_s": Threshold(above=3600),
        }

    def test_overrides_reach_every_layer(self, tmp_path: Path) -> None:
        found = settled(
            load_text(
                tmp_path,
                FIVE_LAYERS,
                "kinds.database.verify.window=50s",
                "components.mail.verify.window=1s",
                MENDEL_LEVELS__ADVANCED__VERIFY__WINDOW="16s",
            )
        )

        windows = {name: each.verify.window_s for name, each in found.items()}
        assert windows == {"db": 50.0, "replica": 50.0, "cart": 16.0, "mail": 1.0}

    def test_what_needs_no_layer_is_shared(self) -> None:
        config = Config(components=tuple(ComponentSpec(name=name) for name in ("a", "b")))

        found = settled(config)

        assert found["a"].watch is found["b"].watch is config.defaults.watch

    def test_every_section_of_the_defaults_may_stand_in_every_layer(self) -> None:
        sections = set(DefaultsConfig.__struct_fields__) - {"level"}

        assert sections <= set(ComponentSpec.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("[levels.ful.verify]", "MD105", "levels.ful"),
        ("[kinds.databse]", "MD105", "kinds.databse"),
        ("[kinds.database.verify]\nwindwo = 1", "MD101", "kinds.database.verify.windwo"),
        ("[levels.full.verify]\nworse_factor = 1", "MD103", "levels.full.verify.worse_factor"),
        ("[levels.full]\nlevel = 'basic'", "MD101", "levels.full.level"),
        ("[kinds.api.playbook]\nplan = ['x']", "MD123", "kinds.api.playbook.plan[0]"),
        (
            "[[components]]\nname = 'b'\nplan = ['x']\nplaybook = { plan = ['x'] }\n"
            "actions = { x = { notify = 'log' } }",
            "MD108",
            "components[0].plan",
        ),
        (
            "[[components]]\nname = 'b'\nplaybook = { plan = ['y'] }",
            "MD123",
            "components[0].playbook.plan[0]",
        ),
        (
            "[[components]]\nname = 'b'\nverify = { window = 'soon' }",
            "MD106",
            "components[0].verify.window",
        ),
    ],
)
def test_a_mistake_in_a_layer_is_told_with_its_place(
    tmp_path: Path, text: str, code: str, place: str
) -> None:
    a = '[[components]]\nname = "a"\n'

    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, f"{text}\n{a}")

    assert [(each.code, each.place) for each in caught.value.problems] == [(code, place)]
