"""Keep secrets out of whatever people or logs get to see."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAME = r"authorization|cookie|credential|passw(?:or)?d|passphrase|secret|token|api[-_]?key"
_SENSITIVE = re.compile(_NAME, re.IGNORECASE)
# Only from the start of a word: tried at each of its letters, a word of a megabyte would take days.
_ASSIGNED = re.compile(
    rf"""(?P<name>(?<![\w.-])[\w.-]*(?:{_NAME})[\w-]*["']?\s*[=:]\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'"""
    r"""|\[[^\]]*\]|(?![\[{])(?:(?:basic|bearer|digest|token)\s+)?[^\s,}"']+)""",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/@\s\"']+@")


def is_sensitive(name: str) -> bool:
    """Whether what is called so had better not be shown (``Authorization``, ``db_password``)."""
    return _SENSITIVE.search(name) is not None


def redact(text: str) -> str:
    """A line of configuration or log without passwords, tokens and user parts of URLs.

    It goes by the names of things and can miss what has an innocent name; ``{ env = ... }`` keeps
    a value out of the file altogether.

    Example:
        >>> redact('headers = { Authorization = "Bearer x" }, url = "http://me:pw@host/"')
        'headers = { Authorization = *** }, url = "http://***@host/"'
    """
    hidden = _ASSIGNED.sub(lambda match: match["name"] + HIDDEN, text)
    return _USERINFO.sub(f"{HIDDEN}@", hidden)
