from hypothesis import given
from hypothesis import strategies as st
from mendel.core.topology import Component, Topology, home_of, sides

NAMES = ["a", "b", "c", "d", "e"]


def a_topology(**needs: str) -> Topology:
    """From ``web="cart db"`` and the like."""
    return Topology(
        Component(name=name, depends_on=tuple(below.split())) for name, below in needs.items()
    )


def test_below_is_all_that_it_needs_the_nearest_first() -> None:
    topology = a_topology(db="", mq="", cart="db", pay="db mq", web="cart pay")

    assert topology.below("web") == ("cart", "pay", "db", "mq")
    assert topology.below("db") == ()


def test_above_is_all_that_needs_it() -> None:
    topology = a_topology(db="", cart="db", web="cart", docs="")

    assert topology.above("db") == ("cart", "web")


def test_in_a_circle_each_needs_the_others_but_never_itself() -> None:
    topology = a_topology(a="b", b="c", c="a b")

    assert topology.below("a") == ("b", "c")
    assert topology.above("a") == ("b", "c")


def test_nothing_is_known_of_a_stranger() -> None:
    assert (a_topology(a="").below("x"), a_topology(a="").above("x")) == ((), ())


@given(
    edges=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12),
)
def test_above_and_below_are_two_sides_of_the_same(edges: list[tuple[str, str]]) -> None:
    needs = {name: " ".join(below for above, below in edges if above == name) for name in NAMES}
    topology = a_topology(**needs)

    pairs = {(name, other) for name in NAMES for other in topology.below(name)}

    assert pairs == {(other, name) for name in NAMES for other in topology.above(name)}
    assert all(name != other for name, other in pairs)


def test_replicas_and_edges_are_parts_of_their_component() -> None:
    targets = ("cart", "cart/1", "web>cart", "cart/2", "web>db")
    topology = Topology([Component(name=each) for each in ("db", "cart", "web")], targets)

    assert topology.parts("cart") == ("cart/1", "web>cart", "cart/2")
    assert topology.replicas("cart") == ("cart/1", "cart/2")
    assert topology.edges_to("cart") == ("web>cart",)
    assert topology.parts("web") == ()
    assert (home_of("web/1>cart/2"), sides("web/1>cart/2")) == ("cart", ("web", "cart"))


def test_users_come_in_where_nobody_else_calls() -> None:
    shop = Topology(
        [
            Component(name="web", depends_on=("cart",)),
            Component(name="app", depends_on=("cart",)),
            Component(name="cart", depends_on=("db",)),
            Component(name="db"),
        ]
    )

    assert shop.doors("db") == shop.doors("cart") == ("web", "app")
    assert shop.doors("web") == ("web",)


def test_callers_need_it_directly() -> None:
    topology = a_topology(db="", cart="db", web="cart", ads="db")

    assert topology.callers("db") == ("cart", "ads")
