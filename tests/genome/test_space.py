from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.core.circuits.circuit_config import CircuitConfig
from mendel.core.detection.detect import Threshold
from mendel.core.gene import Gene
from mendel.core.incidents.triage import TriageConfig
from mendel.core.playbook import PlaybookConfig
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.genome.loci import Matrix
from mendel.genome.space import Change, Genome, Space
from msgspec import Meta, Struct, structs


class DrainConfig(Struct, frozen=True, kw_only=True):
    """What a plug-in might bring: a gene of each kind, and fields that are the operator's."""

    drain_s: Annotated[float, Meta(gt=0), Gene(low=0.5, high=30, scale="log", unit="s")] = 3.0
    gently: Annotated[bool, Gene()] = True
    first: Annotated[Literal["newest", "oldest", "busiest"], Gene()] = "oldest"
    steps: Annotated[tuple[str, ...], Gene()] = ("warn", "drain", "stop", "kill")
    limit: Annotated[float, Gene(low=1, high=9)] | None = None
    room: Annotated[float, Gene(low=-1, high=1)] = 0.0
    address: str = "localhost"


def a_genome(**settings: Any) -> dict[str, Struct]:
    return {
        "triage": TriageConfig(),
        "watch": WatchConfig(thresholds={"ok": Threshold(below=0.5), "p99_s": Threshold(above=2)}),
        "circuit": CircuitConfig(),
        "drain": DrainConfig(**settings),
    }


def points(space: Space) -> st.SearchStrategy[Matrix]:
    coordinate = st.floats(0.0, 1.0)
    one = st.lists(coordinate, min_size=space.dimensions, max_size=space.dimensions)
    return one.map(np.array)


SPACE = Space(a_genome())


class TestFinding:
    def test_every_open_field_is_found_nested_ones_and_those_of_plug_ins_too(self) -> None:
        space = Space({"watch": a_genome()["watch"], "drain": DrainConfig()})

        own = [
            each
            for each in space.loci
            if not each.name.startswith(("watch.load.", "watch.forecast."))
        ]
        assert [(each.name, each.kind, each.width) for each in own] == [
            ("watch.thresholds.ok.samples", "int", 1),
            ("watch.thresholds.ok.of", "int", 1),
            ("watch.thresholds.ok.clear", "int", 1),
            ("watch.thresholds.ok.margin", "float", 1),
            ("watch.thresholds.p99_s.samples", "int", 1),
            ("watch.thresholds.p99_s.of", "int", 1),
            ("watch.thresholds.p99_s.clear", "int", 1),
            ("watch.thresholds.p99_s.margin", "float", 1),
            ("drain.drain_s", "float", 1),
            ("drain.gently", "bool", 1),
            ("drain.first", "choice", 1),
            ("drain.steps", "order", 4),
            ("drain.room", "float", 1),
        ]
        assert sum(each.width for each in own) == 16
        assert space.dimensions == sum(each.width for each in space.loci)

    def test_configs_in_sequences_are_found_by_their_place(self) -> None:
        class Many(Struct, frozen=True):
            parts: tuple[TriageConfig, ...] = (TriageConfig(), TriageConfig(hold_s=1.0))

        space = Space({"many": Many()})

        assert [each.name for each in space.loci][2:] == [
            "many.parts.1.hold_s",
            "many.parts.1.settle_s",
        ]
        assert space.decode(space.encode({"many": Many()})) == {"many": Many()}

    def test_what_the_operator_set_beyond_the_genes_is_left_to_him(self) -> None:
        space = Space(a_genome(drain_s=120.0, steps=("stop",)))

        assert space.left_out == {
            "drain.drain_s": "120.0 is the operator's: it must be from 0.5 to 30",
            "drain.steps": "('stop',) is the operator's: it has nothing to put in order",
        }
        assert "drain.drain_s" not in [each.name for each in space.loci]

    def test_a_config_without_genes_is_left_alone(self) -> None:
        class Plain(Struct, frozen=True):
            port: int = 1

        plain = Plain()
        space = Space({"plain": plain})

        assert space.dimensions == 0
        assert space.decode(np.empty(0))["plain"] is plain
        assert space.distance(np.empty(0), np.empty(0)) == 0.0

    @pytest.mark.parametrize(
        ("hint", "reason"),
        [
            (Annotated[str, Gene()], "without `low` and `high` does not fit"),
            (Annotated[float, Gene()], "without `low` and `high` does not fit"),
            (Annotated[bool, Gene(low=0, high=1)], "with `low` and `high` does not fit"),
            (Annotated[int, Meta(ge=2), Gene(low=1, high=3)], "from 1 to 3, but Meta: >= 2"),
            (Annotated[float, Meta(lt=3), Gene(low=1, high=3)], "from 1 to 3, but Meta: < 3"),
            (Annotated[int, Gene(low=0, high=9, at_most="b")], "'b', which is none of its fields"),
            (Annotated[int, Gene(low=0, high=9, at_most="c")], "'c', which is no number"),
            (Annotated[int, Gene(low=0, high=9, at_least="d")], "'d', which is bound itself"),
        ],
    )
    def test_a_gene_that_does_not_fit_its_field_is_refused(self, hint: Any, reason: str) -> None:
        class Wrong(Struct):
            a: hint
            c: str = ""
            d: Annotated[int, Gene(low=0, high=9, at_most="e")] = 1
            e: int = 5

        with pytest.raises(ConfigError, match=f"wrong.a.*{reason}"):
            Space({"wrong": Wrong(a=2)})


class TestRoundTrip:
    def test_the_base_comes_back_as_it_was_to_the_last_digit(self) -> None:
        genome = a_genome(drain_s=0.1 + 0.2 + 1.0, room=0.123456789)
        space = Space(genome)

        assert space.decode(space.encode(genome)) == genome

    @given(point=points(SPACE))
    def test_what_a_point_means_leads_back_to_its_canonical_point(self, point: Matrix) -> None:
        genome = SPACE.decode(point)
        canonical = SPACE.canonical(point[np.newaxis])[0]

        assert SPACE.encode(genome).tolist() == canonical.tolist()
        assert SPACE.decode(canonical) == genome
        assert SPACE.canonical(canonical[np.newaxis])[0].tolist() == canonical.tolist()

    @given(point=points(SPACE))
    def test_what_is_written_is_read(self, point: Matrix) -> None:
        genes = SPACE.write(point)

        assert SPACE.decode(SPACE.read(genes)) == SPACE.decode(point)
        assert SPACE.read_what_fits(genes).tolist() == SPACE.read(genes).tolist()

    @given(point=points(SPACE))
    def test_fields_without_a_gene_are_never_touched(self, point: Matrix) -> None:
        found = SPACE.decode(point)

        for part, config in SPACE.base.items():
            genes = {each.path[0] for each in SPACE.loci if each.part == part}
            for field in config.__struct_fields__:
                if field not in genes:
                    assert getattr(found[part], field) is getattr(config, field)

    @given(point=points(SPACE))
    def test_values_are_within_their_bounds_and_short_enough_to_read(self, point: Matrix) -> None:
        genes = SPACE.write(point)

        assert genes["circuit.minimum_calls"] <= genes["circuit.window_calls"]
        assert genes["watch.thresholds.ok.samples"] <= genes["watch.thresholds.ok.of"]
        assert sorted(genes["drain.steps"]) == ["drain", "kill", "stop", "warn"]
        for locus in SPACE.loci:
            if locus.kind == "float":
                value = genes[locus.name]
                assert locus.low <= value <= locus.high
                assert value == float(f"{value:.4g}")

    @given(point=points(SPACE), base=st.floats(0.5, 30.0), bound=st.floats(0.5, 60.0))
    @settings(max_examples=200)
    def test_bounds_of_any_number_of_digits_keep_it_canonical(
        self, point: Matrix, base: float, bound: float
    ) -> None:
        config = CircuitConfig(open_s=min(base, bound), open_s_max=bound, window_calls=33)
        space = Space({"circuit": config, "drain": DrainConfig(drain_s=base)})
        canonical = space.canonical(point[np.newaxis, : space.dimensions])

        assert space.canonical(canonical).tolist() == canonical.tolist()
        assert space.write(canonical[0])["circuit.open_s"] <= bound

    def test_the_ends_of_the_cube_are_the_ends_of_the_ranges(self) -> None:
        space = Space({"drain": DrainConfig()})

        lowest, highest = space.write(np.zeros(8)), space.write(np.ones(8))

        assert (lowest["drain.drain_s"], highest["drain.drain_s"]) == (0.5, 30.0)
        assert (lowest["drain.first"], highest["drain.first"]) == ("newest", "busiest")
        assert lowest["drain.steps"] == ("warn", "drain", "stop", "kill")


class TestRefusals:
    def test_genes_of_another_configuration_are_refused_with_all_that_is_wrong(self) -> None:
        space = Space({"triage": TriageConfig()})

        with pytest.raises(
            ConfigError, match=r"triage.hold is no gene.*triage.settle_s is missing"
        ):
            space.read({"triage.hold": 1.0, "triage.hold_s": 1.0})

    @pytest.mark.parametrize(
        ("gene", "value", "reason"),
        [
            ("drain.drain_s", 31.0, "must be from 0.5 to 30"),
            ("drain.drain_s", "3", "must be a number of type float"),
            ("drain.drain_s", float("nan"), "must be from 0.5 to 30"),
            ("drain.gently", 1, "must be true or false"),
            ("drain.first", "last", "must be one of 'newest', 'oldest', 'busiest'"),
            ("drain.steps", ("stop",), "must be an order of warn, drain, stop, kill"),
            ("drain.steps", (1, "stop", "a", "b"), "must be an order of warn, drain, stop, kill"),
        ],
    )
    def test_a_gene_out_of_its_bounds_is_refused(self, gene: str, value: Any, reason: str) -> None:
        space = Space({"drain": DrainConfig()})
        genes = space.write(space.encode(space.base)) | {gene: value}

        with pytest.raises(ConfigError, match=f"{gene}=.* {reason}"):
            space.read(genes)
        assert space.decode(space.read_what_fits(genes)) == space.base

    def test_a_genome_that_lacks_a_config_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"the genome has no triage.hold_s"):
            Space({"triage": TriageConfig()}).encode({"verify": TriageConfig()})

    def test_a_rule_that_no_gene_tells_of_is_the_configs_own_to_refuse(self) -> None:
        class Even(Struct, frozen=True):
            number: Annotated[int, Gene(low=0, high=9)] = 2

            def __post_init__(self) -> None:
                if self.number % 2:
                    raise ConfigError("must be even")

        space = Space({"even": Even()})

        with pytest.raises(ConfigError, match="must be even"):
            space.decode(space.read({"even.number": 3}))

    def test_the_signature_tells_other_genes_but_not_other_settings(self) -> None:
        def signature(config: Struct) -> str:
            return Space({"drain": config}).signature

        same = signature(DrainConfig())

        assert signature(DrainConfig(address="there", drain_s=9.0)) == same
        assert signature(DrainConfig(drain_s=99.0)) != same
        assert signature(DrainConfig(steps=("warn", "stop"))) != same


class TestDifference:
    def test_what_differs_is_told_in_words(self) -> None:
        space = Space({"drain": DrainConfig(), "playbook": PlaybookConfig(plan=("a", "b"))})
        before = space.encode(space.base)
        after = space.read(
            space.write(before)
            | {
                "drain.drain_s": 0.8,
                "drain.gently": False,
                "playbook.plan": ["b", "a"],
                "playbook.attempts": 3,
            }
        )

        assert space.describe(before, after) == [
            Change("drain.drain_s", 3.0, 0.8, "3s -> 800ms"),
            Change("drain.gently", True, False, "true -> false"),
            Change("playbook.plan", ("a", "b"), ("b", "a"), "a, b -> b, a"),
            Change("playbook.attempts", 2, 3, "2 -> 3"),
        ]
        assert space.describe(before, before) == []

    @given(one=points(SPACE), other=points(SPACE))
    def test_the_distance_is_a_share_and_zero_for_the_same(
        self, one: Matrix, other: Matrix
    ) -> None:
        distance = SPACE.distance(one, other)

        assert 0.0 <= distance <= 1.0
        assert (distance == 0.0) is (SPACE.decode(one) == SPACE.decode(other))
        assert distance == SPACE.distance(other, one)

    def test_an_order_turned_round_is_as_far_as_it_gets(self) -> None:
        space = Space({"playbook": PlaybookConfig(plan=("a", "b", "c"))})
        start: Genome = space.base
        plan = structs.replace(PlaybookConfig(), plan=("c", "b", "a"))

        # One of three genes, all the way.
        assert space.distance(space.encode(start), space.encode({"playbook": plan})) == (
            pytest.approx(1 / 3)
        )
