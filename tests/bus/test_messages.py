import inspect
from typing import Any, ClassVar, Literal

import msgspec
import pytest
from mendel.bus import messages
from mendel.bus.messages import (
    AnomalyCleared,
    ApprovalGiven,
    HealthChanged,
    Message,
    PauseTarget,
    Reconfigure,
    ResumeTarget,
    Status,
    StoreDegraded,
    Symptom,
    message_types,
)

OURS = [
    each
    for each in vars(messages).values()
    if inspect.isclass(each) and issubclass(each, Message) and each is not Message
]

SAMPLES: dict[Any, Any] = {
    dict[str, tuple[str, str]]: {"db": ("basic", "full")},
    str: "x",
    float: 1.5,
    int: 2,
    bool: True,
    Literal["agent", "component"]: "agent",
    Status: Status.SICK,
    dict[str, float]: {"ok": 1.0},
    dict[str, Any]: {"every_s": 1.0},
    tuple[str, ...]: ("restart", "drain"),
    float | None: 2.5,
    tuple[float, float] | None: (1.0, 2.0),
    tuple[Symptom, ...]: (Symptom(metric="ok", value=0.5, latest=0.0),),
    tuple[tuple[float, float], ...]: ((1.0, 2.0),),
}


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (AnomalyCleared(target="cart", metric="ok", cleared_s=1.0), "anomaly.cleared.cart"),
        (StoreDegraded(reason="disk full", degraded_s=1.0), "store.degraded"),
        (PauseTarget(target="*", duration_s=1.0, who="ada"), "system.pause.target"),
        (ResumeTarget(target="*", who="ada"), "system.resume.target"),
        (ApprovalGiven(approval="1-1.1.restart", who="ada"), "system.approval.given"),
        (Reconfigure(agent="monitor", settings={}), "system.reconfigure.monitor"),
    ],
)
def test_the_subject_follows_from_type_and_target(message: Message, subject: str) -> None:
    assert message.subject == subject


def test_a_plug_in_defines_its_own_messages_the_same_way() -> None:
    class TideTurned(Message, frozen=True, kw_only=True):
        harbour: str

    class TideAlarm(TideTurned, frozen=True, kw_only=True):
        topic: ClassVar[str] = "sea.alarm"

    assert message_types()["TideTurned"] is TideTurned
    assert TideTurned(harbour="kiel").subject == "tide.turned"
    assert TideAlarm(harbour="kiel").subject == "sea.alarm"


def test_two_types_of_one_name_from_different_modules_are_refused() -> None:
    with pytest.raises(TypeError) as caught:
        type("HealthChanged", (Message,), {"__module__": "tides.messages"}, frozen=True)

    assert str(caught.value) == (
        "message type 'HealthChanged' of tides.messages is already defined in "
        "mendel.bus.messages.sight; give it another name"
    )
    assert message_types()["HealthChanged"] is HealthChanged


def test_what_is_told_of_the_types_cannot_change_them() -> None:
    message_types().clear()

    assert message_types()["HealthChanged"] is HealthChanged


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_message_is_frozen_and_takes_keywords_only(kind: type[Any]) -> None:
    config = kind.__struct_config__

    assert config.frozen
    assert kind.__match_args__ == ()
    assert message_types()[kind.__name__] is kind


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_message_survives_being_written_down(kind: type[Any]) -> None:
    message = kind(**{each.name: SAMPLES[each.type] for each in msgspec.structs.fields(kind)})

    assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message
