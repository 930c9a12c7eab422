"""One configuration text with its overrides, and where each value in it came from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from ..core.units import field_of, short_name, unit_of
from ..errors import ConfigError, Problem
from .places import Path, find_places, parse_key
from .redact import redact

_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PREFIX = "MENDEL_"
_EXCERPT_CHARACTERS = 200  # Four lines of a terminal; more would push the message off the screen.


class Source(Struct, frozen=True):
    """Where a value was written.

    Attributes:
        name: file, environment variable or option.
        line: 1-based; 0 where there are no lines.
        excerpt: text of the line, without secrets.
    """

    name: str
    line: int = 0
    excerpt: str = ""


class Given(str):
    """Text of an override; whoever knows the type of the field decides what it means."""

    __slots__ = ()

    def as_toml(self) -> Any:
        """What the text means as a TOML value; itself when it is none (``observe``)."""
        try:
            return tomllib.loads(f"value = {self}")["value"]
        except (ValueError, RecursionError):
            return str(self)


class Document:
    """A parsed TOML text; values can be overridden, and every value knows its place.

    Args:
        text: the TOML text.
        name: what to call it in messages, usually its path.

    Raises:
        ConfigError: it is not TOML; with one problem that has line and column.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines = text.split("\n")
        try:
            self.tree: dict[str, Any] = tomllib.loads(text)
            self._places = find_places(text)
        except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits.
            self._refuse(str(error))
        except RecursionError:
            self._refuse("arrays or tables are nested too deeply")
        self._overridden: dict[Path, Source] = {}
        self._former: dict[Path, list[tuple[Any, Source]]] = {}

    @classmethod
    def told(cls, tree: Mapping[str, Any], name: str) -> Document:
        """Settings of a program, as a file of them would be read; they have no lines.

        Args:
            tree: tables as mappings, lists as any sequence.
            name: what to call them in messages.
        """
        document = cls("", name)
        document.tree = _as_toml(msgspec.to_builtins(tree))
        return document

    @property
    def text(self) -> str:
        """The whole text as it was written, without secrets and overrides."""
        return "\n".join(redact(line) for line in self._lines)

    def where(self, path: Path) -> Source:
        """Where the value at a path was written, or the nearest table around it."""
        for length in range(len(path), 0, -1):
            nearest = path[:length]
            if nearest in self._overridden:
                return self._overridden[nearest]
            if nearest in self._places:
                return self._at_line(self._places[nearest])
        return Source(self.name)

    def written(self, fields: Path) -> Path | None:
        """Where a field is written, in whichever of its spellings; None where it is not.

        Args:
            fields: way to it by the full names of fields (``every_s`` for ``every``).
        """
        node: Any = self.tree
        found: Path = ()
        for step in fields:
            if isinstance(node, dict):
                key = next((each for each in node if field_of(each, [str(step)])), None)
                if key is None:
                    return None
                step = key
            elif not isinstance(node, list) or not isinstance(step, int) or step >= len(node):
                return None
            node, found = node[step], (*found, step)
        return found

    def former(self, path: Path) -> list[tuple[Any, Source]]:
        """What stood at a path before it was overridden, the newest first, and where."""
        return self._former.get(path, [])[::-1]

    def problem(self, code: str, message: str, path: Path, suggestion: str = "") -> Problem:
        """Something that is wrong with the value at a path."""
        source = self.where(path)
        return Problem(
            code,
            message,
            place=format_path(path),
            source=source.name,
            line=source.line,
            excerpt=source.excerpt,
            suggestion=suggestion,
        )

    def override(self, keys: Iterable[str], text: str, source: str) -> None:
        """Set one value, over whatever the file says.

        Tables on the way are made as needed. An item of an array is named by its index or, when
        it has one, by its ``name``. Case and the difference between ``-`` and ``_`` do not matter
        where only one existing key is meant, because variables cannot tell them apart.

        Args:
            keys: way to the value.
            text: the value as TOML, or plain text where the field is a text.
            source: what to call the override in messages.

        Raises:
            ConfigError: the way leads through something that is no table, or past an array.
        """
        node: Any = self.tree
        path: Path = ()
        *parents, last = keys
        for key in (*parents, last):
            if isinstance(node, list):
                step: str | int = _find_item(node, key)
            elif isinstance(node, dict):
                step = _find_key(node, key)
            else:
                self._lost(path, key, source)
            path = (*path, step)
            if len(path) == len(parents) + 1:
                break
            if isinstance(node, dict):
                node = node.setdefault(str(step), {})
            elif isinstance(step, int):
                node = node[step]
            else:
                self._lost(path[:-1], key, source)
        self._put(node, path, Given(text), source)

    def _put(self, node: Any, path: Path, value: Given, source: str) -> None:
        last = path[-1]
        self._keep_former(node, path)
        if isinstance(node, dict) and isinstance(last, str):
            for other in [key for key in node if key != last and _same_field(key, last)]:
                del node[other]
            node[last] = value
        elif isinstance(node, list) and isinstance(last, int):
            node[last] = value
        else:
            self._lost(path[:-1], str(last), source)
        self._overridden[path] = Source(redact(source))

    def _keep_former(self, node: Any, path: Path) -> None:
        last, known = path[-1], self._former.get(path, [])
        if isinstance(node, dict) and isinstance(last, str):
            for key in [key for key in node if _same_field(key, last)]:
                known.append((plain(node[key]), self.where((*path[:-1], key))))
        elif isinstance(node, list) and isinstance(last, int) and last < len(node):
            known.append((plain(node[last]), self.where(path)))
        if known:
            self._former[path] = known

    def _lost(self, path: Path, key: str, source: str) -> NoReturn:
        place = format_path(path) or "the top level"
        name = redact(source)
        message = f"override leads nowhere: there is no `{key}` in {place}"
        problem = Problem("MD141", message, place=format_path((*path, key)), source=name)
        raise ConfigError(f"{name}: {message}", [problem])

    def _at_line(self, line: int) -> Source:
        return Source(self.name, line, self._excerpt(line))

    def _excerpt(self, line: int) -> str:
        text = redact(self._lines[line - 1].strip())
        return text if len(text) <= _EXCERPT_CHARACTERS else f"{text[:_EXCERPT_CHARACTERS]}..."

    def _refuse(self, reason: str) -> NoReturn:
        position = _POSITION.search(reason)
        message = _POSITION.sub("", reason)
        line = int(position[1] or len(self._lines)) if position else 0
        if position and position[1]:
            message += f" at column {position[2]}"
        excerpt = self._excerpt(line) if line else ""
        problem = Problem(
            "MD100",
            f"not TOML: {message[:1].lower()}{message[1:]}",
            source=self.name,
            line=line,
            excerpt=excerpt,
            suggestion=_syntax_help(reason, excerpt),
        )
        raise ConfigError(f"{self.name} is not TOML", [problem]) from None


def environment_overrides(environ: Mapping[str, str]) -> list[tuple[tuple[str, ...], str, str]]:
    """Overrides among environment variables, in the order of their names.

    ``MENDEL_POLICY__MODE=observe`` sets ``policy.mode``. A variable without ``__`` is none of
    ours: every setting lives in a section.

    Returns:
        keys, text and source of each, as `Document.override` takes them.
    """
    found = []
    for name in sorted(environ):
        keys = tuple(name.removeprefix(_PREFIX).lower().split("__"))
        if name.startswith(_PREFIX) and len(keys) > 1 and all(keys):
            found.append((keys, environ[name], f"environment {name}={environ[name]}"))
    return found


def option_override(setting: str) -> tuple[tuple[str, ...], str, str]:
    """An override as it is given on the command line: ``policy.mode=observe``.

    Raises:
        ConfigError: it is not of that form.
    """
    key, equals, text = setting.partition("=")
    source = f"--set {setting}"
    try:
        keys = parse_key(key.strip())
    except ValueError:
        keys = ()
    if not equals or not keys:
        problem = Problem(
            "MD140",
            f"`{redact(setting)}` is not a setting",
            source=redact(source),
            suggestion="write it as key=value, such as policy.mode=observe",
        )
        raise ConfigError(f"{redact(source)}: not of the form key=value", [problem])
    return keys, text.strip(), source


def plain(value: Any) -> Any:
    """A value of the tree with every override in it read as TOML."""
    if isinstance(value, Given):
        return value.as_toml()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def _as_toml(value: Any) -> Any:
    """Values in the shapes that TOML has: lists for sequences."""
    if isinstance(value, dict):
        return {key: _as_toml(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_toml(each) for each in value]
    return value


def format_path(path: Path) -> str:
    """A path as people write it.

    Example:
        >>> format_path(("components", 0, "probes", 1, "x y"))
        'components[0].probes[1]."x y"'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            text += f".{key}" if text else key
    return text


def _find_item(items: list[Any], key: str) -> str | int:
    if key.isdecimal():
        return int(key) if int(key) < len(items) else key
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    found = _alike([name for name in names if isinstance(name, str)], key)
    return names.index(found) if found is not None else key


def _find_key(table: dict[str, Any], key: str) -> str:
    return _alike(list(table), key) or key


def _alike(known: list[str], key: str) -> str | None:
    if key in known:
        return key
    loose = [each for each in known if _loose(each) == _loose(key)]
    return loose[0] if len(loose) == 1 else None


def _loose(key: str) -> str:
    return key.lower().replace("-", "_")


def _same_field(one: str, other: str) -> bool:
    """Whether two keys spell one field, with and without its unit (``every``, ``every_s``)."""
    return short_name(one) == short_name(other) and (not unit_of(one) or not unit_of(other))


def _syntax_help(reason: str, excerpt: str) -> str:
    if "Invalid value" in reason or "after a statement" in reason:
        return 'text stands in quotes: name = "cart", every = "800ms"'
    if "Expected '=' after a key" in reason:
        return "a line is a header such as [policy], or key = value"
    if "Cannot declare" in reason or "overwrite" in reason or "Cannot mutate" in reason:
        several = "; for several of a kind use [[double brackets]]"
        return "this is defined twice; keep one" + (several if excerpt.startswith("[") else "")
    return ""
