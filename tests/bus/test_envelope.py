from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus import Envelope, Message, decode, encode
from mendel.bus.envelope import Format
from mendel.bus.messages import AnomalyCleared, Reading
from mendel.errors import MessageError

FORMATS: tuple[Format, ...] = ("json", "msgpack")


class Opaque(Message, frozen=True, kw_only=True):
    thing: Any


def an_envelope(message: Message, **changes: Any) -> Envelope:
    fields = {"id": 7, "sent_s": 12.5, "cause": 3, "trace": 1, "subject": message.subject}
    return Envelope(message=message, **{**fields, **changes})


@given(
    target=st.text(min_size=1),
    value=st.floats(allow_nan=False, allow_infinity=False),
    sender=st.text(),
    deadline_s=st.none() | st.floats(0, 1e9),
    asking=st.lists(st.text()).map(tuple),
    form=st.sampled_from(FORMATS),
)
def test_an_envelope_survives_being_written_and_read(
    target: str,
    value: float,
    sender: str,
    deadline_s: float | None,
    asking: tuple[str, ...],
    form: Format,
) -> None:
    reading = Reading(target=target, metrics={"latency_s": value}, taken_s=value)
    envelope = an_envelope(
        reading, sender=sender, deadline_s=deadline_s, asking=asking, reply=True, subject="a.b"
    )

    assert decode(encode(envelope, form), form) == envelope


def test_json_is_readable_by_others() -> None:
    envelope = an_envelope(AnomalyCleared(target="cart", metric="latency_s", cleared_s=2.0))

    assert msgspec.json.decode(encode(envelope)) == {
        "id": 7,
        "subject": "anomaly.cleared.cart",
        "type": "AnomalyCleared",
        "message": {"target": "cart", "metric": "latency_s", "cleared_s": 2.0},
        "sent_s": 12.5,
        "cause": 3,
        "trace": 1,
        "sender": "",
        "reply": False,
        "deadline_s": None,
        "asking": [],
    }


def test_fields_of_a_newer_version_are_skipped_and_missing_ones_have_defaults() -> None:
    data = (
        b'{"id":1,"subject":"a","type":"AnomalyCleared","sent_s":0.5,"colour":"red",'
        b'"message":{"target":"cart","metric":"up","cleared_s":1.0,"mood":"good"}}'
    )

    assert decode(data) == Envelope(
        1, "a", AnomalyCleared(target="cart", metric="up", cleared_s=1.0), 0.5, 0, 1
    )


def test_an_unknown_type_is_named_with_the_nearest_known_one() -> None:
    data = b'{"id":1,"subject":"a","type":"AnomalyDetectd","message":{},"sent_s":0.0}'

    with pytest.raises(MessageError, match="'AnomalyDetectd'; did you mean 'AnomalyDetected'") as e:
        decode(data)
    assert e.value.name == "AnomalyDetectd"


def test_a_type_like_no_other_points_to_its_plugin() -> None:
    data = b'{"id":1,"subject":"a","type":"Zzzzzz","message":{},"sent_s":0.0}'

    with pytest.raises(MessageError, match="is its plug-in loaded"):
        decode(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"nonsense", "not an envelope in json"),
        (b'{"id":1}', "not an envelope in json: Object missing required field"),
        (
            b'{"id":1,"subject":"a","type":"AnomalyCleared","sent_s":0.0,"message":{"target":5}}',
            r"AnomalyCleared cannot be read: Expected `str`, got `int` - at `\$.target`",
        ),
    ],
)
def test_bad_data_is_refused_with_the_reason(data: bytes, problem: str) -> None:
    with pytest.raises(MessageError, match=problem):
        decode(data)


def test_what_cannot_be_written_is_refused_with_its_type() -> None:
    with pytest.raises(MessageError, match="Opaque cannot be written as json"):
        encode(an_envelope(Opaque(thing=object())))
