"""Where each value comes from, and what another level would take away."""

from __future__ import annotations

import contextlib
from pathlib import Path

from mendel.runtime.config import Loaded, load
from mendel.runtime.provenance import BUILT_IN, Effective, Origin, provenance
from mendel.runtime.translation import translate

TEXT = """\
[defaults.verify]
window = "20s"

[levels.full.verify]
window = "15s"

[kinds.database]
mode = "recommend"
verify = { window = "40s" }

[policy]
mode = "act"

[[components]]
name = "db"
kind = "database"
level = "full"
probes = [{ tcp = "127.0.0.1:5432" }]
thresholds = { latency_s = { above = "300ms" } }
watch = { load = { busy_share = 0.5 } }

[[components]]
name = "cart"
probes = [{ tcp = "127.0.0.1:1" }]
"""


def loaded(folder: Path, text: str = TEXT, *settings: str, **environ: str) -> Loaded:
    (folder / "x.toml").write_text(text)
    with contextlib.chdir(folder):  # So that messages call the file as people do.
        return load("x.toml", environ=environ, settings=settings)


def one(found: Loaded, field: str) -> Effective:
    (effective,) = provenance(found, field)
    return effective


class TestProvenance:
    def test_the_nearest_layer_is_told_with_all_it_takes_the_place_of(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, TEXT, "kinds.database.verify.window=50s")

        assert one(found, "components.db.verify.window_s") == Effective(
            "components.db.verify.window_s",
            "50.0",
            Origin('"50s"', "--set kinds.database.verify.window", "kinds.database"),
            (
                Origin('"40s"', "x.toml:9", "kinds.database"),
                Origin('"15s"', "x.toml:5", "levels.full"),
                Origin('"20s"', "x.toml:2", "defaults"),
            ),
        )

    def test_what_was_overridden_twice_is_told_in_order(self, tmp_path: Path) -> None:
        found = loaded(
            tmp_path, TEXT, "policy.mode=recommend", MENDEL_POLICY__MODE="observe", OTHER="x"
        )

        mode = one(found, "policy.mode")

        assert mode.value == '"recommend"'
        assert [str(each) for each in (mode.origin, *mode.instead_of)] == [
            '"recommend" from --set policy.mode',
            '"observe" from environment MENDEL_POLICY__MODE',
            '"act" from x.toml:12',
        ]

    def test_what_nobody_wrote_is_built_in_and_told_when_it_is_asked_for(
        self, tmp_path: Path
    ) -> None:
        found = loaded(tmp_path)

        factor = one(found, "components.cart.verify.worse_factor")

        assert (factor.value, factor.origin.source) == ("2.0", BUILT_IN)
        assert factor.field not in [each.field for each in provenance(found)]

    def test_a_short_spelling_is_found_as_well_as_that_of_the_section(self, tmp_path: Path) -> None:
        found = loaded(tmp_path)

        line = one(found, "components.db.watch.thresholds.latency_s")

        assert (line.value, line.origin.source) == ("{ above = 0.3 }", "x.toml:19")

    def test_level_and_mode_come_from_the_component_its_kind_or_the_estate(
        self, tmp_path: Path
    ) -> None:
        found = loaded(tmp_path)

        sources = {}
        for field in ("db.level", "db.mode", "cart.level", "cart.mode"):
            each = one(found, f"components.{field}")
            sources[field] = (each.value, each.origin.source)

        assert sources == {
            "db.level": ('"full"', "x.toml:17"),
            "db.mode": ('"recommend"', "x.toml:8"),
            "cart.level": ('"basic"', BUILT_IN),
            "cart.mode": ('"act"', "x.toml:12"),
        }

    def test_a_name_is_not_the_beginning_of_another_name(self, tmp_path: Path) -> None:
        assert provenance(loaded(tmp_path), "pol") == []

    def test_secrets_are_not_shown(self, tmp_path: Path) -> None:
        text = TEXT + '[agent.drain]\ntoken = "hush"\n'

        shown = [str(each) for each in provenance(loaded(tmp_path, text), "agent")]

        assert shown
        assert not any("hush" in each for each in shown)


class TestTranslation:
    def test_what_a_lower_level_loses_and_what_then_does_nothing_is_told(
        self, tmp_path: Path
    ) -> None:
        (db,) = translate(loaded(tmp_path), "basic")

        assert (db.component, db.before, db.after, db.gained) == ("db", "full", "basic", ())
        assert "what helped before is tried first" in db.lost
        assert db.idle == ("watch.load = { busy_share = 0.5 } (x.toml:20)",)

    def test_settings_that_were_said_for_a_level_change_with_it(self, tmp_path: Path) -> None:
        text = TEXT.replace('verify = { window = "40s" }', "")

        (db,) = translate(loaded(tmp_path, text), "basic")

        assert db.changed == ("verify.window_s: 15.0 -> 20.0",)

    def test_a_higher_level_only_adds(self, tmp_path: Path) -> None:
        db, cart = translate(loaded(tmp_path), "advanced")

        assert (cart.component, cart.lost, cart.idle) == ("cart", (), ())
        assert "what helped before is tried first" in cart.gained
        assert (db.component, db.idle) == ("db", ())
