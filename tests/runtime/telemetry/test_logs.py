"""What a line of the log says, and which incident it belongs to."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from mendel.bus import LocalBus
from mendel.bus.messages import (
    AnomalyDetected,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    ProbeNow,
)
from mendel.runtime.specs import Secret
from mendel.runtime.telemetry.logs import JsonLines, Narrator, TextLines, fields_of
from mendel.runtime.world.secrets import resolve


class Kept(logging.Handler):
    """Every line that was logged, as programs get it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, logger = Kept(), logging.getLogger("mendel")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def opened(target: str, incident: str) -> IncidentOpened:
    return IncidentOpened(target=target, incident=incident, onset_s=1.0, opened_s=2.0)


def closed(target: str, incident: str) -> IncidentClosed:
    return IncidentClosed(
        target=target,
        incident=incident,
        outcome="healed",
        actions=("restart",),
        onset_s=1.0,
        opened_s=2.0,
        closed_s=9.0,
    )


def an_anomaly(target: str) -> AnomalyDetected:
    return AnomalyDetected(
        target=target,
        metric="ok",
        value=0.0,
        score=2.0,
        onset_s=1.0,
        detected_s=2.0,
        reason="ok is 0",
    )


async def narrate(*messages: Message) -> None:
    async with LocalBus() as bus:
        with Narrator() as narrator:
            narrator.listen(bus)
            for each in messages:
                await bus.publish(each)


async def test_what_happens_is_told_with_what_a_program_filters_by(kept: Kept) -> None:
    await narrate(opened("cart", "1-1"))

    (line,) = kept.lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "mendel.events",
        "text": "cart: incident 1-1 opened",
        "event": "IncidentOpened",
        "target": "cart",
        "incident": "1-1",
        "trace": "1",
    }


async def test_what_people_need_not_read_is_not_told(kept: Kept) -> None:
    await narrate(ProbeNow(target="cart"))

    assert kept.lines == []


async def test_what_is_seen_of_a_target_belongs_to_its_incident_until_that_is_over(
    kept: Kept,
) -> None:
    await narrate(
        an_anomaly("cart"),
        opened("cart", "1-1"),
        an_anomaly("cart/2"),
        an_anomaly("cart>db"),
        an_anomaly("shop"),
        closed("cart", "1-1"),
        an_anomaly("cart"),
    )

    assert [(each["target"], each.get("incident")) for each in kept.lines] == [
        ("cart", None),  # Nobody had opened one yet; its trace is that of what follows.
        ("cart", "1-1"),
        ("cart/2", "1-1"),
        ("cart>db", "1-1"),
        ("shop", None),
        ("cart", "1-1"),
        ("cart", None),
    ]


async def test_what_anybody_else_logs_of_a_target_belongs_to_its_incident_too(kept: Kept) -> None:
    logger = logging.getLogger("mendel.world")
    async with LocalBus() as bus:
        with Narrator() as narrator:
            narrator.listen(bus)
            await bus.publish(opened("cart", "1-1"))
            await asyncio.sleep(0)

            async def work() -> None:
                logger.error("cart is not started", extra={"target": "cart"})

            await asyncio.create_task(work())
        logger.error("cart is left running", extra={"target": "cart"})

    assert [each.get("incident") for each in kept.lines] == ["1-1", "1-1", None]


async def test_two_systems_of_one_process_do_not_mix(kept: Kept) -> None:
    logger = logging.getLogger("mendel.world")
    seen = asyncio.Event()

    async def ill() -> None:
        async with LocalBus() as bus:
            with Narrator() as narrator:
                narrator.listen(bus)
                await bus.publish(opened("cart", "1-1"))
                await asyncio.sleep(0)
                seen.set()
                await asyncio.sleep(0)

    async def well() -> None:
        async with LocalBus() as bus:
            with Narrator() as narrator:
                narrator.listen(bus)
                await seen.wait()
                logger.error("cart is odd", extra={"target": "cart"})

    await asyncio.gather(asyncio.create_task(ill()), asyncio.create_task(well()))

    assert [each.get("incident") for each in kept.lines if "odd" in each["text"]] == [None]


async def test_what_needs_a_person_is_a_warning(kept: Kept) -> None:
    await narrate(
        IncidentEscalated(target="cart", incident="1-1", reason="all was tried", escalated_s=3.0)
    )

    assert [(each["level"], each["incident"]) for each in kept.lines] == [("warning", "1-1")]


def a_record(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("mendel.world", logging.ERROR, "x.py", 1, text, arguments, None)


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_no_line_holds_a_secret(form: logging.Formatter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "correct-horse-battery")
    resolve(Secret(env="HOOK"))
    try:
        raise OSError("cannot ask https://me:pw@host/correct-horse-battery")
    except OSError as error:
        record = a_record("said %s, token=abcdef", "correct-horse-battery")
        record.exc_info = (type(error), error, error.__traceback__)

    line = form.format(record)

    assert "battery" not in line
    assert "abcdef" not in line
    assert "me:pw" not in line
    assert "said ***" in line


def test_a_line_about_nothing_in_particular_has_no_fields() -> None:
    assert fields_of(a_record("the store writes again")) == {}


def test_people_get_what_happens_with_its_time_and_the_rest_with_its_place() -> None:
    event = a_record("cart: healthy again")
    event.name = "mendel.events"

    assert TextLines().format(event).partition("  ")[2] == "cart: healthy again"
    assert " ERROR mendel.world: cart is odd" in TextLines().format(a_record("cart is odd"))
