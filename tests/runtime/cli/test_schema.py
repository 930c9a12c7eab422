"""The schemas that mendel publishes, against what it really writes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from mendel.bus.messages import IncidentOpened, PauseTarget, message_types
from mendel.runtime.cli import main
from mendel.runtime.cli.answers import WITHOUT_DATA, answers
from mendel.runtime.cli.app import app
from mendel.runtime.cli.examples import commands
from mendel.runtime.views import EventView


def published(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["schema", *words]) == 0
    return json.loads(capsys.readouterr().out)


def references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"]} if "$ref" in schema else set()
        return own.union(*map(references, schema.values()))
    return set().union(*map(references, schema)) if isinstance(schema, list) else set()


def at(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def an_event(message: Any) -> Any:
    view = EventView(
        id=1,
        utc=1.0,
        subject=message.subject,
        type=type(message).__name__,
        message=msgspec.to_builtins(message),
        text="it is so",
    )
    return msgspec.to_builtins(view)


def test_an_event_is_as_its_schema_says(capsys: pytest.CaptureFixture[str]) -> None:
    schema = published(capsys, "event")
    opened = an_event(IncidentOpened(target="cart", incident="1-1", onset_s=1.0, opened_s=2.0))

    jsonschema.validate(opened, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(opened | {"type": "Nonsense"}, schema)
    del opened["message"]["target"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(opened, schema)


@pytest.mark.parametrize("words", [["event"], ["openapi"], ["asyncapi"], ["config"]])
def test_every_reference_leads_somewhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    schema = published(capsys, *words)

    found = references(schema)
    assert found
    assert [each for each in sorted(found) if not at(schema, each)] == []


def test_a_message_is_where_asyncapi_says_and_looks_so(capsys: pytest.CaptureFixture[str]) -> None:
    described = published(capsys, "asyncapi")

    assert described["asyncapi"] == "3.0.0"
    assert {kind.__name__ for kind in message_types().values()} >= set(described["channels"])
    opened = IncidentOpened(target="cart", incident="1-1", onset_s=1.0, opened_s=2.0)
    address = described["channels"]["IncidentOpened"]["address"]
    assert address.format(target="cart") == opened.subject
    # A pause may be for all targets at once, so it does not travel by one.
    pause = PauseTarget(target="*", duration_s=1.0, who="me")
    assert described["channels"]["PauseTarget"]["address"] == pause.subject
    payload = described["components"]["schemas"]["IncidentOpened"]
    jsonschema.validate(msgspec.to_builtins(opened), payload)


def test_every_command_says_what_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    known = {words for words, _ in commands(app)}

    assert {*answers(), *WITHOUT_DATA} == known
    for words in answers():
        schema = published(capsys, "answer", *words.split())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert [each for each in references(schema) if not at(schema, each)] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["incidents", "lst"], "'incidents lst' is no command; did you mean `incidents list`?"),
        (["run"], "'run' writes no data"),
    ],
)
def test_what_has_no_answer_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", "answer", *words]) == 3

    assert told in capsys.readouterr().err
