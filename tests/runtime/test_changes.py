"""What is different between two configurations, and what may be."""

from __future__ import annotations

from mendel.core.detection.detect import Threshold
from mendel.core.policy import PolicyConfig
from mendel.core.watching.watch import WatchConfig
from mendel.runtime.changes import FIXED, differences, fixed
from mendel.runtime.config import Config, DefaultsConfig, RuntimeConfig
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec

# Sections that `mendel.runtime.revision` puts into force.
LIVE = {
    "runtime",
    "policy",
    "defaults",
    "levels",
    "kinds",
    "resources",
    "ranking",
    "maintenance",
    "agents",
    "agent",
    "components",
}


def test_every_section_changes_while_mendel_runs_or_is_refused() -> None:
    refused = {path[0] for path in FIXED if len(path) == 1}

    # A section that is in neither would change in the file and nowhere else.
    assert LIVE | refused == set(Config.__struct_fields__)
    assert LIVE.isdisjoint(refused)


def test_what_is_refused_is_told_with_its_place_and_reason() -> None:
    found = fixed(Config(), Config(runtime=RuntimeConfig(seed=3, log_level="debug")))

    assert found == [(("runtime", "seed"), "what was drawn with the old one is drawn")]


class TestDifferences:
    def changes(self, old: Config, new: Config) -> list[str]:
        return [str(each) for each in differences(old, new)]

    def test_equal_configurations_have_none(self) -> None:
        assert self.changes(Config(), Config()) == []

    def test_each_value_is_told_with_its_place(self) -> None:
        old = Config(policy=PolicyConfig(mode="observe", blast_share=0.5))
        new = Config(
            policy=PolicyConfig(),
            defaults=DefaultsConfig(watch=WatchConfig(thresholds={"x": Threshold(above=1)})),
        )

        assert self.changes(old, new) == [
            'policy.mode: "observe" -> "act"',
            "policy.blast_share: 0.5 -> 0.34",
            "defaults.watch.thresholds.x is new",
        ]

    def test_components_are_told_by_name_whatever_their_order(self) -> None:
        one, two = ComponentSpec(name="one"), ComponentSpec(name="two")
        other = ComponentSpec(name="one", kind="api", probes=(ProbeSpec(tcp="h:1"),))
        old, new = Config(components=(one, two)), Config(components=(two, other))

        assert self.changes(old, new) == [
            'components.one.kind: "service" -> "api"',
            'components.one.probes: [] -> [{ tcp = "h:1" }]',
        ]
        assert self.changes(old, Config(components=(one,))) == ["components.two is gone"]

    def test_secrets_are_not_told(self) -> None:
        hook = ActionSpec(webhook="http://me:pw@h/", headers={"Authorization": "Bearer x"})
        old = Config(components=(ComponentSpec(name="one"),))
        new = Config(components=(ComponentSpec(name="one", actions={"tell": hook}),))
        hush = Config(agent={"drain": {"token": "hush"}}, components=old.components)

        told = "".join(each.after for other in (new, hush) for each in differences(old, other))

        assert told
        assert not any(secret in told for secret in ("pw", "Bearer", "hush"))
