"""Subjects and patterns in the grammar of NATS, and which of them match.

A subject is tokens joined by dots (``anomaly.detected.cart``). A pattern may hold ``*`` for exactly
one token, and ``>`` as its last token for one or more. A wildcard is always a whole token: the
token ``web>cart`` is plain text, like any other.

Literal patterns live in a dictionary and only the others in a trie: nearly all subscriptions are
literal, and a dictionary entry costs a tenth of a chain of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from ..errors import SubjectError

T = TypeVar("T")

SYSTEM = "system."
_WILDCARDS = ("*", ">")


def check_subject(subject: str) -> str:
    """The subject itself, when a message can be sent to it.

    Raises:
        SubjectError: it has an empty token, whitespace or a wildcard.
    """
    for token in _tokens(subject, "subject"):
        if token in _WILDCARDS:
            raise SubjectError(
                f"subject {subject!r} has the wildcard {token!r}; wildcards are for patterns only"
            )
    return subject


def check_pattern(pattern: str) -> str:
    """The pattern itself, when it can be subscribed to.

    Raises:
        SubjectError: it has an empty token or whitespace, or ``>`` before its end.
    """
    if ">" in _tokens(pattern, "pattern")[:-1]:
        raise SubjectError(f"pattern {pattern!r} goes on after '>'; it stands for all that follows")
    return pattern


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject is one of those that a pattern stands for.

    Example:
        >>> matches("anomaly.*.cart", "anomaly.detected.cart")
        True
        >>> matches("anomaly.>", "anomaly")
        False
    """
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        if len(given) < len(wanted):
            return False
        wanted = wanted[:-1]
    elif len(given) != len(wanted):
        return False
    return all(want in ("*", token) for want, token in zip(wanted, given, strict=False))


def is_system(subject: str) -> bool:
    """Whether messages to a subject take the system lane of a mailbox."""
    return subject.startswith(SYSTEM)


def is_literal(pattern: str) -> bool:
    """Whether a pattern stands for exactly one subject."""
    return not any(token in _WILDCARDS for token in pattern.split("."))


def _tokens(text: str, kind: str) -> list[str]:
    tokens = text.split(".")
    if "" in tokens:
        raise SubjectError(f"{kind} {text!r} has an empty token; write it like 'anomaly.detected'")
    if any(character.isspace() for character in text):
        raise SubjectError(f"{kind} {text!r} has whitespace; tokens are joined by dots alone")
    return tokens


class _Node(Generic[T]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: list[T] = []


class PatternMap(Generic[T]):
    """Values under patterns; finds all whose pattern stands for a subject."""

    def __init__(self) -> None:
        self._literal: dict[str, list[T]] = {}
        self._root: _Node[T] = _Node()

    def add(self, pattern: str, value: T) -> None:
        """Put a value under a pattern; the same value may be put there more than once.

        Raises:
            SubjectError: the pattern is not well formed.
        """
        if is_literal(check_pattern(pattern)):
            self._literal.setdefault(pattern, []).append(value)
            return
        node = self._root
        for token in pattern.split("."):
            node = node.children.setdefault(token, _Node())
        node.values.append(value)

    def remove(self, pattern: str, value: T) -> None:
        """Take a value away again.

        Raises:
            KeyError: it is not there.
        """
        if pattern in self._literal:
            self._literal[pattern].remove(value)
            if not self._literal[pattern]:
                del self._literal[pattern]
            return
        path = [self._root]
        tokens = pattern.split(".")
        for token in tokens:
            path.append(path[-1].children[token])
        path[-1].values.remove(value)
        _prune(path, tokens)

    def find(self, subject: str) -> list[T]:
        """All values whose pattern stands for the subject, in no particular order."""
        found = list(self._literal.get(subject, ()))
        found.extend(_walk(self._root, subject.split("."), 0))
        return found

    def below(self, topic: str) -> Iterator[T]:
        """All values whose pattern stands for a topic or for anything below it."""
        for pattern, values in self._literal.items():
            if pattern == topic or pattern.startswith(f"{topic}."):
                yield from values
        yield from _walk(self._root, topic.split("."), 0, all_below=True)


def _prune(path: list[_Node[T]], tokens: list[str]) -> None:
    for parent, token in zip(reversed(path[:-1]), reversed(tokens), strict=True):
        child = parent.children[token]
        if child.values or child.children:
            return
        del parent.children[token]


def _walk(node: _Node[T], tokens: list[str], depth: int, *, all_below: bool = False) -> Iterator[T]:
    if depth >= len(tokens):
        yield from node.values
        if all_below:
            for deeper in node.children.values():
                yield from _walk(deeper, tokens, depth + 1, all_below=True)
        return
    rest = node.children.get(">")
    if rest is not None:
        yield from rest.values
    for token in {tokens[depth], "*"}:
        child = node.children.get(token)
        if child is not None:
            yield from _walk(child, tokens, depth + 1, all_below=all_below)
