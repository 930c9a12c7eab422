"""Recordings: what was measured and what was said, on disk, to be replayed for ever."""

from .lines import SCHEMA, Annotation, Event, Fault, Header, Label, Record, Row, encode
from .reader import Damage, Recording
from .summary import Summary, summarise
from .writer import RecordingWriter, WriterConfig

__all__ = [
    "SCHEMA",
    "Annotation",
    "Damage",
    "Event",
    "Fault",
    "Header",
    "Label",
    "Record",
    "Recording",
    "RecordingWriter",
    "Row",
    "Summary",
    "WriterConfig",
    "encode",
    "summarise",
]
