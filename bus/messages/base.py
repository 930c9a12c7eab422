"""What every message is, and all their types by name."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from msgspec import Struct

_types: dict[str, type[Message]] = {}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Message(Struct, frozen=True, kw_only=True):
    """Base of all messages; a subclass is registered under its name as soon as it is defined.

    A plug-in defines its own messages the same way. Two classes of one name from different modules
    are refused, because a recording could not tell them apart.

    Attributes:
        topic: first tokens of the subject; derived from the class name unless given.
        system: whether the message takes the system lane, ahead of all others and never dropped.
    """

    topic: ClassVar[str] = ""
    system: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = _types.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise TypeError(
                f"message type {cls.__name__!r} of {cls.__module__} is already defined in "
                f"{known.__module__}; give it another name"
            )
        _types[cls.__name__] = cls
        if "topic" not in cls.__dict__:
            words = _WORD.sub(".", cls.__name__).lower()
            cls.topic = f"system.{words}" if cls.system else words

    @property
    def subject(self) -> str:
        """Where the message travels: its topic, then its target if it has one."""
        target = getattr(self, "target", None)
        return f"{self.topic}.{target}" if target else self.topic


def message_types() -> dict[str, type[Message]]:
    """All known message types by name: ours and those of loaded plug-ins."""
    return dict(_types)
