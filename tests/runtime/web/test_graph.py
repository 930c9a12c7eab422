from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mendel.core.topology import Component
from mendel.runtime.web.graph import Place, places


def estate(**needs: str) -> list[Component]:
    return [Component(name=name, depends_on=tuple(below.split())) for name, below in needs.items()]


def test_whatever_is_needed_stands_to_the_right_of_who_needs_it() -> None:
    found = places(estate(web="cart", cart="db payment", db="", payment="db"))

    assert {each.name: each.column for each in found} == {
        "web": 0,
        "cart": 1,
        "payment": 2,
        "db": 3,
    }


def test_neighbours_stand_side_by_side() -> None:
    found = places(estate(a="x", b="y", c="z", z="", y="", x=""))

    rows = {each.name: each.row for each in found}
    assert [rows["x"], rows["y"], rows["z"]] == [rows["a"], rows["b"], rows["c"]]


def test_components_that_need_each_other_are_placed_all_the_same() -> None:
    found = places(estate(a="b", b="a", c="a"))

    assert len({(each.column, each.row) for each in found}) == 3


def test_a_single_component_and_none_at_all() -> None:
    assert places(estate(only="")) == [Place(name="only", column=0, row=0)]
    assert places([]) == []


@given(st.data())
def test_no_two_stand_in_one_place(data: st.DataObject) -> None:
    names = [f"c{number}" for number in range(data.draw(st.integers(1, 12)))]
    needs = {
        name: " ".join(data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True)))
        for name in names
    }
    needs = {name: " ".join(w for w in below.split() if w != name) for name, below in needs.items()}

    found = places(estate(**needs))

    assert [each.name for each in found] == names
    assert len({(each.column, each.row) for each in found}) == len(names)
    columns = {each.column for each in found}
    assert columns == set(range(len(columns)))
