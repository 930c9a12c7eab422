from __future__ import annotations

from typing import Annotated, Any

import pytest
from mendel.agents.agent import Agent, AgentConfig
from mendel.agents.registry import LoadedAgent
from mendel.core.detection.detect import DEFAULT_THRESHOLDS, Threshold
from mendel.core.gene import Gene
from mendel.core.incidents.triage import TriageConfig
from mendel.core.playbook import PlaybookConfig
from mendel.core.topology import Kind
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.genome.space import Space
from mendel.runtime.config import Config, parse
from mendel.runtime.genomes import genome_of, with_canary, with_evolved, with_genome
from msgspec import structs

WRITTEN = parse(
    """
    [defaults]
    triage = { hold = "2s" }
    watch = { thresholds = { error_rate = { above = 0.1 } } }

    [kinds.database]
    playbook = { attempts = 4 }

    [[components]]
    name = "web"
    probes = [{ heartbeat = "1m" }]
    triage = { hold = "9s" }

    [[components]]
    name = "db"
    kind = "database"
    probes = [{ heartbeat = "1m" }]
    """,
    "mendel.toml",
).config


class DrainFirst(Agent[Any]):
    class Config(AgentConfig, frozen=True, kw_only=True):
        drain_s: Annotated[float, Gene(low=0.5, high=30, scale="log", unit="s")] = 3.0

    name = "drain-first"


DRAIN = LoadedAgent("drain-first", "here:DrainFirst", DrainFirst, DrainFirst.Config())


class TestGenome:
    def test_it_has_what_holds_for_all_and_the_settings_of_plug_ins(self) -> None:
        genome = genome_of(WRITTEN, [DRAIN], metrics=["ok", "latency_s"])

        assert list(genome) == [
            "watch",
            "triage",
            "verify",
            "playbook",
            "ranking",
            "agent.drain-first",
        ]
        assert genome["watch"].thresholds == {  # type: ignore[attr-defined]  # Of a WatchConfig.
            "ok": DEFAULT_THRESHOLDS["ok"],
            "error_rate": Threshold(above=0.1),
        }
        assert genome["agent.drain-first"] == DrainFirst.Config()

    def test_the_order_of_strategies_is_a_gene_of_a_kind_as_far_as_its_actions_are_known(
        self,
    ) -> None:
        known: dict[Kind, tuple[str, ...]] = {
            "database": ("clean_up", "restart"),
            "cache": ("restart",),
        }

        genome = genome_of(WRITTEN, actions=known)

        assert genome["playbook/database"] == PlaybookConfig(
            plan=("restart", "clean_up"), attempts=4
        )
        assert "playbook/cache" not in genome, "one action has no order"

    def test_a_genome_that_was_not_changed_leaves_the_configuration_as_it_is(self) -> None:
        genome = genome_of(WRITTEN)

        assert with_genome(WRITTEN, genome) == WRITTEN


class TestEvolved:
    def test_genes_lie_over_what_is_written_and_nothing_else_changes(self) -> None:
        genes = {
            "triage.settle_s": 1.5,
            "watch.thresholds.ok.samples": 2,
            "playbook/database.plan": ["clean_up", "restart"],
            "agent.drain-first.drain_s": 8.0,
        }

        found = with_evolved(WRITTEN, [DRAIN], genes)

        watch = WatchConfig(
            thresholds={
                "ok": structs.replace(DEFAULT_THRESHOLDS["ok"], samples=2),
                "error_rate": Threshold(above=0.1),
            }
        )
        defaults = structs.replace(
            WRITTEN.defaults, triage=TriageConfig(hold_s=2.0, settle_s=1.5), watch=watch
        )
        database = structs.replace(
            WRITTEN.kinds["database"],
            playbook={"attempts": 4, "plan": ("clean_up", "restart")},
        )
        assert found == structs.replace(
            WRITTEN,
            defaults=defaults,
            kinds={"database": database},
            agent={"drain-first": {"drain_s": 8.0}},
        )

    def test_no_genes_are_the_configuration_as_it_is_written(self) -> None:
        assert with_evolved(WRITTEN, [], {}) is WRITTEN

    def test_every_point_of_the_space_can_be_put_in_force(self) -> None:
        genome = genome_of(WRITTEN, [DRAIN], metrics=["ok"])
        space = Space(genome)
        genes = space.write(space.encode(space.base) * 0.5)

        found = with_evolved(WRITTEN, [DRAIN], genes)

        assert space.encode(genome_of(found, [_loaded(found)], metrics=["ok"])).tolist() == (
            space.read(genes).tolist()
        )

    @pytest.mark.parametrize("gene", ["triage.hold", "agent.gone.drain_s", "web.hold_s"])
    def test_genes_of_something_else_are_refused(self, gene: str) -> None:
        with pytest.raises(ConfigError, match=gene.rpartition(".")[2]):
            with_evolved(WRITTEN, [], {gene: 1.0})


class TestCanary:
    def test_genes_are_in_force_on_some_components_only_and_what_they_say_stays_said(self) -> None:
        genes = {"triage.hold_s": 5.0, "triage.settle_s": 1.5}
        evolved = with_evolved(WRITTEN, [], genes)

        found = with_canary(WRITTEN, evolved, {"web"})

        assert found.defaults == WRITTEN.defaults
        web, db = found.components
        assert web.triage == {"settle_s": 1.5, "hold_s": 9.0}
        assert db == WRITTEN.components[1]

    def test_what_a_kind_says_goes_before_what_is_bred(self) -> None:
        evolved = with_evolved(WRITTEN, [], {"playbook.attempts": 5})

        found = with_canary(WRITTEN, evolved, {"db"})

        assert found.components[1].playbook == {}


def _loaded(config: Config) -> LoadedAgent:
    settings = config.agent.get("drain-first", {})
    return DRAIN._replace(config=DrainFirst.Config(**settings))
