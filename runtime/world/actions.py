"""What can be done to a component: to its process, by a command, by a webhook, by telling a person.

Each action answers with a result and never raises for something that fails outside. ``before`` and
``status`` serve the one case in which nobody sees the result: mendel was killed in the middle. Then
``status`` tells whether the action took place, or that it cannot be known; guessing would repeat
actions or lose them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from ...agents.ports import ActionResult, IntentStatus
from ...core.records import IntentRecord
from ...errors import EnvironmentProblem, MendelError
from ..specs import ActionSpec
from .child import Child
from .command import Finished, run_command
from .http import Answer, HttpClient, check_url
from .identity import Identity, marked
from .managed import ManagedProcess
from .secrets import hide, resolve, resolve_all

notices = logging.getLogger("mendel.notify")
# Carries the intent into the environment of a command, where it can be found after a crash.
INTENT = "MENDEL_INTENT"


class ConfiguredAction(ABC):
    """What all actions have in common.

    Args:
        target: the component that it is for; it refuses every other one.
        name: unique among the actions of the target.
        spec: what to do.
        base: folder of the configuration, where relative paths start.
    """

    def __init__(self, target: str, name: str, spec: ActionSpec, *, base: Path) -> None:
        self.target = target
        self.name = name
        self.spec = spec
        self.base = base

    @property
    def disruptive(self) -> bool:
        """Whether it costs capacity."""
        return self.spec.disruptive

    @property
    def timeout_s(self) -> float:
        """How long it may take."""
        return self.spec.timeout_s

    @property
    def settle_s(self) -> float:
        """How long its effect may take to show."""
        return self.spec.settle_s

    @property
    def undo(self) -> str:
        """Name of the action that takes it back, or empty."""
        return self.spec.undo

    def before(self) -> dict[str, Any]:
        """Facts that will tell later whether it took place."""
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        """Do it, in the time that it may take."""
        if not intent.target or intent.target != self.target:
            return ActionResult(
                succeeded=False,
                detail=f"{self.name!r} is an action of {self.target!r}, not of {intent.target!r}",
            )
        try:
            result = await self._do(intent)
        except MendelError as problem:
            return ActionResult(succeeded=False, detail=str(problem).replace("\n  help: ", "; "))
        # The last line of a command or an answer may repeat what it was given.
        return structs.replace(result, detail=hide(result.detail))

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Tell whether an execution that was interrupted took place.

        A command that outlived mendel and still runs has not done its work yet: unless the check
        says *done* already, its end is waited for, and while it does not end, nobody can know.
        """
        if self.spec.check is None:
            return self._judge(intent)
        running = marked(INTENT, intent.intent)
        verdict = await self._check(self.spec.check, intent)
        if verdict is IntentStatus.DONE or not running:
            return verdict
        if not await _outlast(running, self.timeout_s):
            return IntentStatus.UNKNOWN
        return await self._check(self.spec.check, intent)

    async def _check(self, command: tuple[str, ...], intent: IntentRecord) -> IntentStatus:
        try:
            end = await _run(command, self, intent)
        except EnvironmentProblem:
            return IntentStatus.UNKNOWN
        if end.status == 0:
            return IntentStatus.DONE
        return IntentStatus.NOT_DONE if end.status == 1 else IntentStatus.UNKNOWN

    @abstractmethod
    async def _do(self, intent: IntentRecord) -> ActionResult:
        """Do it; a `MendelError` counts as failed."""

    def _judge(self, intent: IntentRecord) -> IntentStatus:
        """Tell without a check command whether it took place."""
        del intent
        return IntentStatus.UNKNOWN


class ProcessAction(ConfiguredAction):
    """Restarts, stops or starts the process of a component."""

    def __init__(
        self, target: str, name: str, spec: ActionSpec, *, base: Path, process: ManagedProcess
    ) -> None:
        super().__init__(target, name, spec, base=base)
        self._process = process

    def before(self) -> dict[str, Any]:
        """Which process runs now: its number (0 for none) and its birth."""
        running = self._process.identity or Identity(0, "")
        return {"pid": running.pid, "born": running.born}

    async def _do(self, intent: IntentRecord) -> ActionResult:
        del intent
        try:
            async with asyncio.timeout(self.timeout_s):
                match self.spec.process:
                    case "stop":
                        detail = await self._process.stop()
                    case "start":
                        detail = await self._process.start()
                    case _:
                        detail = await self._process.restart()
        except TimeoutError:
            return ActionResult(succeeded=False, detail=f"not done within {self.timeout_s:.3g} s")
        return ActionResult(succeeded=True, detail=detail)

    def _judge(self, intent: IntentRecord) -> IntentStatus:
        running = self._process.identity
        former = Identity(intent.before.get("pid", 0), intent.before.get("born", ""))
        match self.spec.process:
            case "stop":
                took_place = running is None
            case "start":
                took_place = running is not None
            case _:
                took_place = running is not None and running != former
        return IntentStatus.DONE if took_place else IntentStatus.NOT_DONE


class ExecAction(ConfiguredAction):
    """Runs a command without a shell; exit status 0 is success.

    The command finds in its environment what it is run for: ``MENDEL_TARGET``, ``MENDEL_ACTION``,
    ``MENDEL_INTENT`` (one execution) and ``MENDEL_INCIDENT``. What it leaves running in the
    background when it ends is left alone; when it takes too long, all of it is killed.
    """

    async def _do(self, intent: IntentRecord) -> ActionResult:
        end = await _run(self.spec.exec or (), self, intent, keep_background=True)
        return ActionResult(succeeded=end.status == 0, detail=end.detail)


class WebhookAction(ConfiguredAction):
    """Calls a URL; redirects are not followed, and the identifier of the execution is sent along.

    The receiver can tell a repeated call by the header ``Idempotency-Key``.
    """

    def __init__(
        self, target: str, name: str, spec: ActionSpec, *, base: Path, client: HttpClient
    ) -> None:
        super().__init__(target, name, spec, base=base)
        self._url = check_url(spec.webhook or "", f"action {name!r} of {target!r}")
        self._client = client

    async def _do(self, intent: IntentRecord) -> ActionResult:
        body = _fill(self.spec.body, intent).encode()
        kind = "application/json" if body[:1] in (b"{", b"[") else "text/plain; charset=utf-8"
        headers = _headers(self, {"Idempotency-Key": intent.intent, "Content-Type": kind})
        answer = await self._client.ask(
            self.spec.method,
            self._url,
            timeout_s=self.timeout_s,
            headers=headers,
            body=body or None,
        )
        return _result(answer, self.spec)


class NotifyAction(ConfiguredAction):
    """Tells a person: in the log, or by a JSON message to a URL, which may be a secret."""

    def __init__(
        self, target: str, name: str, spec: ActionSpec, *, base: Path, client: HttpClient
    ) -> None:
        super().__init__(target, name, spec, base=base)
        self._client = client
        if isinstance(spec.notify, str) and spec.notify != "log":
            check_url(spec.notify, f"action {name!r} of {target!r}")

    @property
    def disruptive(self) -> bool:
        """Never: a word costs no capacity."""
        return False

    async def _do(self, intent: IntentRecord) -> ActionResult:
        text = f"{intent.target} needs a person: {intent.action} for incident {intent.incident}"
        if self.spec.notify == "log":
            notices.warning("%s", text, extra=_facts(intent))
            return ActionResult(succeeded=True, detail="written to the log")
        assert self.spec.notify is not None, "the world makes this action of such a specification"
        url = check_url(resolve(self.spec.notify, self.base), f"action {self.name!r}")
        headers = _headers(self, {"Content-Type": "application/json"})
        facts = {"text": text, **_facts(intent)}
        answer = await self._client.ask(
            "POST",
            url,
            timeout_s=self.timeout_s,
            headers=headers,
            body=msgspec.json.encode(facts),
        )
        return _result(answer, self.spec)


async def _run(
    command: tuple[str, ...],
    action: ConfiguredAction,
    intent: IntentRecord,
    *,
    keep_background: bool = False,
) -> Finished:
    facts = {f"MENDEL_{name.upper()}": value for name, value in _facts(intent).items()}
    return await run_command(
        command,
        cwd=action.base,
        env={**os.environ, **facts},
        timeout_s=action.timeout_s,
        keep_background=keep_background,
    )


async def _outlast(running: Sequence[Identity], patience_s: float) -> bool:
    """Wait for the end of processes that are not ours; False when one of them goes on."""
    children = [Child(each) for each in running]
    try:
        _, going_on = await asyncio.wait([each.ended for each in children], timeout=patience_s)
        return not going_on
    finally:
        for child in children:
            child.let_go()


def _headers(action: ConfiguredAction, defaults: Mapping[str, str]) -> dict[str, str]:
    """Resolve the configured headers and add ours, unless they are among them in any case."""
    given = resolve_all(action.spec.headers, action.base)
    names = {name.lower() for name in given}
    return given | {name: text for name, text in defaults.items() if name.lower() not in names}


def _facts(intent: IntentRecord) -> Mapping[str, str]:
    return {
        "target": intent.target,
        "action": intent.action,
        "intent": intent.intent,
        "incident": intent.incident,
    }


def _fill(text: str, intent: IntentRecord) -> str:
    """Put the facts in place; other braces stay, for most bodies are JSON."""
    for name, value in _facts(intent).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _result(answer: Answer, spec: ActionSpec) -> ActionResult:
    fine = answer.status in spec.status if spec.status else 200 <= answer.status < 300
    return ActionResult(succeeded=fine, detail=answer.detail)
