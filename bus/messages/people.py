"""What people say: pauses, approvals, faults that are injected on purpose."""

from __future__ import annotations

from typing import ClassVar

from .base import Message


class PauseTarget(Message, frozen=True, kw_only=True):
    """Hands off a target for a while: maintenance, or a person's wish.

    Attributes:
        target: component name, or ``*`` for the whole estate.
        duration_s: for how long.
        who: the person or program that asked.
        reason: why.
    """

    system: ClassVar[bool] = True

    target: str
    duration_s: float
    who: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """Not by target, for the target may be the wildcard."""
        return self.topic


class ResumeTarget(Message, frozen=True, kw_only=True):
    """End a pause, and take up again what was handed to a person."""

    system: ClassVar[bool] = True

    target: str
    who: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """Not by target, for the target may be the wildcard."""
        return self.topic


class ApprovalRequested(Message, frozen=True, kw_only=True):
    """An action waits for a person's word.

    Attributes:
        target: what it would be run on.
        incident: what for.
        approval: identifier to approve it by.
        action: what would be run.
        reason: why it is not run without asking.
        requested_s: when.
    """

    target: str
    incident: str
    approval: str
    action: str
    reason: str
    requested_s: float


class ApprovalGiven(Message, frozen=True, kw_only=True):
    """A person allows the action that waits under this identifier."""

    system: ClassVar[bool] = True

    approval: str
    who: str
    reason: str = ""


class FaultInjected(Message, frozen=True, kw_only=True):
    """Something is broken on purpose, in a drill.

    Attributes:
        target: what is broken.
        kind: how.
        who: the person or program that does it.
        injected_s: when.
    """

    target: str
    kind: str
    who: str
    injected_s: float


class FaultLifted(Message, frozen=True, kw_only=True):
    """A fault that was made on purpose, in a drill or in the demo, is over.

    Attributes:
        target: what was broken.
        kind: how.
        who: the person or program that did it.
        injected_s: when it began.
        lifted_s: when it was over: healed, or taken back.
    """

    target: str
    kind: str
    who: str
    injected_s: float
    lifted_s: float
