"""Mistakes in a configuration that no single field shows: names that lead nowhere, and the like.

The names are taken from the tree as written, not from the finished structs, so that a component
with one broken field is still known to those that depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

from ..documents.document import Document, plain
from ..documents.kinds import did_you_mean
from ..documents.places import Path
from ..documents.reader import Check
from ..errors import Problem
from .specs import Secret

Table = dict[str, Any]
_SHARED = ("levels", "kinds")  # Layers of settings that several components have in common.
Wrong = tuple[str, str, str]


def check_url(text: str) -> Wrong | None:
    """Whether a text is a URL that can be called; what is wrong with it otherwise."""
    help_text = "such as http://127.0.0.1:8001/health"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return "MD110", f"bad URL: {error}", help_text
    if parts.scheme not in ("http", "https"):
        return (
            "MD110",
            f"bad URL: it must begin with http:// or https://, found `{text}`",
            help_text,
        )
    if not parts.hostname or port == 0 or re.search(r"\s", text):
        return "MD110", f"bad URL: `{text}` names no host that could be called", help_text
    return None


def check_notify(text: str) -> Wrong | None:
    """Whether a text says where to tell a person: the log, or a URL."""
    return None if text == "log" else check_url(text)


def check_host_port(text: str) -> Wrong | None:
    """Whether a text is ``host:port``."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    sound = bool(host) and (":" not in host or bracketed) and not re.search(r"[\s/]", host)
    if sound and port.isdecimal() and 0 < int(port) < 65536:
        return None
    return "MD111", f"`{text}` is not host:port", "such as 127.0.0.1:5432 or [::1]:5432"


def check_regex(text: str) -> Wrong | None:
    """Whether a text is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        return "MD112", f"bad regular expression: {error}", "a plain text needs \\ before . * ( [ ?"
    return None


FORMATS: Mapping[str, Check] = {
    "uri": check_url,
    "notify": check_notify,
    "host-port": check_host_port,
    "regex": check_regex,
}


def secret_check(environ: Mapping[str, str], base: FilePath) -> Callable[[Secret], Wrong | None]:
    """A check that a secret is there; its value is not kept."""

    def check(secret: Secret) -> Wrong | None:
        if secret.env:
            if environ.get(secret.env):
                return None
            return "MD130", f"environment variable {secret.env} is not set", f"export {secret.env}"
        path = base / secret.file
        try:
            with path.open("rb") as handle:
                handle.read(1)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return "MD130", f"cannot read the secret in {path}: {reason}", ""
        return None

    return check


def find_contradictions(document: Document) -> list[Problem]:
    """Everything that is wrong between the components of a document.

    Values of the wrong type are passed over: the reader has told about them.
    """
    tree = plain(document.tree)
    components = list(_tables(tree.get("components"), ("components",)))
    problems = list(_nothing_to_watch(document, tree))
    problems += _duplicates(document, components)
    # In the order of the file, and quick to look up: there may be thousands.
    names = dict.fromkeys(name for _, each in components if (name := _text(each.get("name"))))
    for path, component in components:
        problems += _dependencies(document, path, component, names)
        problems += _processes(document, path, component)
        problems += _actions(document, path, component)
    problems += _maintenance(document, tree, names)
    problems += _resources(document, tree, names)
    return problems + list(_estate_actions(document, tree, [each for _, each in components]))


def _nothing_to_watch(document: Document, tree: Table) -> Iterator[Problem]:
    # A misspelled `component` is told as such.
    if not tree.get("components") and "component" not in tree:
        yield document.problem(
            "MD125", "there is nothing to watch", (), "add a component: [[components]]"
        )


def _duplicates(document: Document, components: list[tuple[Path, Table]]) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, component in components:
        name = _text(component.get("name"))
        if name and name in first:
            line = document.where((*first[name], "name")).line
            place = (*path, "name")
            message = f"component `{name}` is defined twice"
            yield document.problem("MD120", message, place, f"the first one is on line {line}")
        first.setdefault(name, path)


def _dependencies(
    document: Document, path: Path, component: Table, names: Mapping[str, None]
) -> Iterator[Problem]:
    own = _text(component.get("name"))
    for place, name in _texts(component.get("depends_on"), (*path, "depends_on")):
        if name == own:
            message = f"`{name}` depends on itself"
            yield document.problem("MD122", message, place, "leave it out")
        elif name not in names:
            others = [each for each in names if each != own]
            help_text = did_you_mean(name, others, "components")
            yield document.problem("MD121", f"unknown component `{name}`", place, help_text)


def _maintenance(document: Document, tree: Table, names: Mapping[str, None]) -> Iterator[Problem]:
    for path, window in _tables(tree.get("maintenance"), ("maintenance",)):
        name = _text(window.get("component"))
        if name and name != "*" and name not in names:
            help_text = did_you_mean(name, list(names), "components")
            place = (*path, "component")
            yield document.problem("MD121", f"unknown component `{name}`", place, help_text)


def _resources(document: Document, tree: Table, names: Mapping[str, None]) -> Iterator[Problem]:
    kept = _table(tree.get("resources")).get("keep_levels")
    for place, name in _texts(kept, ("resources", "keep_levels")):
        if name not in names:
            help_text = did_you_mean(name, list(names), "components")
            yield document.problem("MD121", f"unknown component `{name}`", place, help_text)


def _processes(document: Document, path: Path, component: Table) -> Iterator[Problem]:
    if "process" in component:
        return
    places = [
        (*place, "process")
        for place, probe in _tables(component.get("probes"), (*path, "probes"))
        if probe.get("process") is True
    ]
    actions = _table(component.get("actions"))
    for name, action in actions.items():
        if "process" in _table(action):
            places.append((*path, "actions", name, "process"))
    for place in places:
        message = "there is no managed process: the component has no `process`"
        yield document.problem("MD124", message, place, 'add process = { exec = ["..."] }')


def _actions(document: Document, path: Path, component: Table) -> Iterator[Problem]:
    known = _action_names(component)
    named = list(_texts(component.get("plan"), (*path, "plan")))
    if named and "plan" in _table(component.get("playbook")):
        message = "`plan` and `playbook.plan` are the same field"
        yield document.problem("MD108", message, (*path, "plan"), "keep one of them")
    named += _texts(_table(component.get("playbook")).get("plan"), (*path, "playbook", "plan"))
    for name, action in _table(component.get("actions")).items():
        undo = _text(_table(action).get("undo"))
        if undo:
            named.append(((*path, "actions", name, "undo"), undo))
    for place, name in named:
        if name not in known:
            help_text = did_you_mean(name, known, "actions") or "the component has no actions"
            yield document.problem("MD123", f"unknown action `{name}`", place, help_text)


def _estate_actions(document: Document, tree: Table, components: list[Table]) -> Iterator[Problem]:
    known = list(dict.fromkeys(name for each in components for name in _action_names(each)))
    for place in (
        ("policy", "allow"),
        ("policy", "approve"),
        ("defaults", "playbook", "plan"),
        *((name, each, "playbook", "plan") for name in _SHARED for each in _table(tree.get(name))),
    ):
        node: Any = tree
        for step in place:
            node = _table(node).get(step)
        for path, name in _texts(node, place):
            if name not in known:
                help_text = did_you_mean(name, known, "actions") or "no component has actions"
                yield document.problem("MD123", f"unknown action `{name}`", path, help_text)


def _action_names(component: Table) -> list[str]:
    """Names of its actions; a managed process can be restarted without a word about it."""
    implied = ["restart"] if "process" in component else []
    return list(dict.fromkeys([*_table(component.get("actions")), *implied]))


def _table(value: Any) -> Table:
    return value if isinstance(value, dict) else {}


def _tables(value: Any, path: Path) -> Iterator[tuple[Path, Table]]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield (*path, index), item


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, str):
            yield (*path, index), item
