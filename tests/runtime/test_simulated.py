"""Troubles of the user's own components, simulated."""

from __future__ import annotations

import numpy as np
import pytest
from mendel.errors import ConfigError
from mendel.genome.space import Space
from mendel.runtime.config import parse
from mendel.runtime.genomes import genome_of
from mendel.runtime.simulated import SimulatedTrial, own_courses
from msgspec import structs

SHOP = """
[[components]]
name = "web"
kind = "ui"
depends_on = ["cart"]
probes = [{ heartbeat = "10s" }]

[[components]]
name = "cart"
depends_on = ["db"]
probes = [{ heartbeat = "10s" }]

[[components]]
name = "db"
kind = "database"
probes = [{ heartbeat = "10s" }]
"""
CONFIG = parse(SHOP, "mendel.toml").config


def test_courses_are_of_the_configured_components_and_the_same_for_the_same_seed() -> None:
    courses = [each().course for each in own_courses(CONFIG, 6, 3)]

    (estate,) = {each.estate.components: each.estate for each in courses}.values()
    assert {each.name: each.kind for each in estate.services} == {
        "web": "ui",
        "cart": "service",
        "db": "database",
    }
    assert [each.name for each in estate.edges] == ["users>web", "web>cart", "cart>db"]
    assert courses == [each().course for each in own_courses(CONFIG, 6, 3)]
    assert courses != [each().course for each in own_courses(CONFIG, 6, 4)]


def test_a_circle_of_dependencies_is_refused() -> None:
    web, cart, db = CONFIG.components
    round_about = (web, cart, structs.replace(db, depends_on=("cart",)))
    circle = structs.replace(CONFIG, components=round_about)

    with pytest.raises(ConfigError, match="in a circle"):
        own_courses(circle, 1, 1)


def test_a_candidate_is_judged_by_all_of_mendel_at_work_on_them() -> None:
    space = Space(genome_of(CONFIG))
    trial = SimulatedTrial(space, CONFIG, (), own_courses(CONFIG, 2, 5))
    point, rested = space.encode(space.base), list[int]()

    first = trial.by_incident(point[np.newaxis], lambda: rested.append(1))
    again = trial.by_incident(point[np.newaxis], lambda: rested.append(1))

    assert first.shape == (1, 2, 4)
    assert np.array_equal(first, again)
    assert len(rested) == 2, "what is known is not run again"
    assert first[0, :, 3].sum() > 0, "something was done about it"
