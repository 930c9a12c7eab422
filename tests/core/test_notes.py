import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import TargetAnnotated
from mendel.core.notes import annotation_of, told
from mendel.core.topology import Annotation

times = st.floats(-1e9, 1e9)


@given(
    version=st.text(max_size=8),
    deployed_s=st.one_of(st.just(-math.inf), times),
    maintenance=st.lists(st.tuples(times, times), max_size=3).map(tuple),
)
def test_what_is_known_survives_a_recording(
    version: str, deployed_s: float, maintenance: tuple[tuple[float, float], ...]
) -> None:
    known = Annotation(version=version, deployed_s=deployed_s, maintenance=maintenance)

    line = msgspec.json.encode(told("cart", known, 7.0, who="ada"))

    assert annotation_of(msgspec.json.decode(line, type=TargetAnnotated)) == known
