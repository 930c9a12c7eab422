"""What was heard on the bus lately, as far as people ask for it."""

from __future__ import annotations

from collections import Counter, deque

from ..bus.envelope import Envelope
from ..bus.messages import (
    AllowanceExceeded,
    ApprovalRequested,
    GenomeDecided,
    HealthChanged,
    Message,
    PluginRejected,
    ResourcesChanged,
    StoreDegraded,
    StoreRecovered,
)
from .words import in_words

# Enough for somebody who looks in after an incident; the store has the rest.
_EVENTS_KEPT = 1_000


class News:
    """Listens to the bus as a tap that leaves out readings.

    Attributes:
        events: the newest 1,000 messages, oldest first.
        counts: messages by topic.
        health: the last change of each target.
        asked: the last approval that was asked for, by target.
        warnings: what people should know at present, by what it is about.
    """

    def __init__(self) -> None:
        self.events: deque[Envelope] = deque(maxlen=_EVENTS_KEPT)
        self.counts: Counter[str] = Counter()
        self.health: dict[str, HealthChanged] = {}
        self.asked: dict[str, ApprovalRequested] = {}
        self.warnings: dict[str, str] = {}

    def hear(self, batch: list[Envelope]) -> None:
        """Take in what went over the bus."""
        for envelope in batch:
            message = envelope.message
            self.events.append(envelope)
            self.counts[message.topic] += 1
            if isinstance(message, HealthChanged):
                self.health[message.target] = message
            elif isinstance(message, ApprovalRequested):
                self.asked[message.target] = message
            else:
                self._warn(message)

    def _warn(self, message: Message) -> None:
        match message:
            case StoreDegraded():
                self.warnings["store"] = f"the store cannot write: {message.reason}"
            case StoreRecovered():
                self.warnings.pop("store", None)
            case ResourcesChanged():
                self._warn_while(message.step > 0, "resources", message)
            case AllowanceExceeded(kind=kind, name=name):
                self._warn_while(message.step > 0, f"{kind} {name}", message)
            case GenomeDecided(decision="drifted" | "promoted" as decision):
                self._warn_while(decision == "drifted", "genome", message)
            case PluginRejected():
                self.warnings[message.place] = f"plug-in {message.place}: {message.reason}"

    def _warn_while(self, holds: bool, about: str, message: Message) -> None:
        self.warnings.pop(about, None)
        if holds:
            self.warnings[about] = in_words(message)
