"""Read the configuration again while mendel runs: on SIGHUP, on a change of the file, on a wish.

A new text is read and checked as a whole in a thread, plug-ins included, and goes into force in one
step (`mendel.runtime.revision`), or not at all: then everything goes on as before, and the log, an
event and whoever asked say what is wrong and where. What came into force is a version in the store.

The file is watched by looking at its time and size once a second. A notification of the system was
turned down: editors and deployments replace files in so many ways that one of them is missed, and
half-written files are seen; a file counts as changed when it has been at rest between two looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from ..agents.registry import LoadedAgents
from ..bus.messages import ConfigChanged, ConfigRefused
from ..documents.redact import HIDDEN
from ..errors import ConfigError, Problem
from .changes import fixed
from .config import Loaded
from .plugins import check_plugins, load_plugins
from .store import Archive
from .system import System
from .views import ReloadView, problem_view

_log = logging.getLogger("mendel.reload")

_POLL_S = 1.0
_PROBLEMS_TOLD = 100


class Keeper(Protocol):
    """Who keeps the versions: the store."""

    def note_config(self, text: str, *, source: str, who: str, why: str) -> None:
        """Keep a configuration that is now in force, if it is another than the newest."""
        ...


class _Read(NamedTuple):
    loaded: Loaded
    plugins: LoadedAgents


class Reloader:
    """Puts what the file says into force, when it is asked to or sees that the file has changed.

    Args:
        system: what heals.
        loaded: the configuration it was started with.
        keeper: of the versions.
        on_stop: called when the terminal hangs up and the configuration is not to be reloaded.

    Attributes:
        loaded: the configuration that holds.
    """

    def __init__(
        self,
        system: System,
        loaded: Loaded,
        keeper: Keeper,
        *,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.loaded = loaded
        self._system = system
        self._keeper = keeper
        self._on_stop = on_stop
        self._one_at_a_time = asyncio.Lock()
        self._seen = self._last = _stamp(loaded)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Reloader:
        self._look_later()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def reload(self, *, who: str, reason: str = "") -> ConfigChanged:
        """Put into force what the file says now.

        Args:
            who: the person or program that asks for it.
            reason: why.

        Raises:
            ConfigError: it cannot come into force; with every problem and its place.
        """
        return await self._take(None, "", who=who, reason=reason)

    async def roll_back(
        self, version: int, store: Archive, *, who: str, reason: str
    ) -> ConfigChanged:
        """Put an earlier version into force again; the file stays as it is.

        Args:
            version: its number in the store.
            store: where it is kept, open.
            who: the person or program that asks for it.
            reason: why.

        Raises:
            ConfigError: it cannot come into force, is not known, or is not known whole.
            StoreError: the store cannot be read.
        """
        kept = await store.config(version)
        if kept is None:
            raise ConfigError(f"there is no version {version} of the configuration")
        if HIDDEN in kept.text:
            raise ConfigError(
                f"version {version} had secrets in its text, which are not kept; "
                'give them as { env = "..." } or { file = "..." }, and it could be restored'
            )
        return await self._take(kept.text, f"version {version}", who=who, reason=reason)

    def hang_up(self) -> None:
        """SIGHUP: read again, or, where that is switched off, stop in order."""
        if self._system.config.runtime.reload == "off":
            self._on_stop()
        else:
            self._begin("SIGHUP")

    async def _take(self, text: str | None, source: str, *, who: str, reason: str) -> ConfigChanged:
        async with self._one_at_a_time:
            source = source or str(self.loaded.path)
            self._seen = _stamp(self.loaded)
            try:
                # A large file takes a second, and an import of a plug-in what it likes.
                found = await asyncio.to_thread(self._read, text, source)
                changed = await self._system.reconfigure(
                    found.loaded.config,
                    was=self.loaded.config,
                    plugins=found.plugins.agents,
                    who=who,
                    reason=reason,
                    source=source,
                    aside=asyncio.to_thread,
                )
            except ConfigError as error:
                self._refuse(error, source, who)
                raise
            self.loaded = found.loaded
            self._keeper.note_config(found.loaded.document.text, source=source, who=who, why=reason)
            _log.info("%s: %s", source, "; ".join(changed.changes) or "nothing has changed")
            return changed

    def _read(self, text: str | None, source: str) -> _Read:
        loaded = self.loaded.again(text, source)
        document = loaded.document
        problems = [
            document.problem("MD160", f"cannot change while mendel runs: {why}", path)
            for path, why in fixed(self.loaded.config, loaded.config)
        ]
        problems += check_plugins(loaded)
        if problems:
            raise ConfigError(f"{document.name}: not taken", problems)
        return _Read(loaded, load_plugins(loaded))

    def _refuse(self, error: ConfigError, source: str, who: str) -> None:
        told = [_words(each) for each in error.problems] or [str(error)]
        _log.error("%s is not taken, nothing has changed: %s", source, "; ".join(told))
        now_s = asyncio.get_running_loop().time()
        problems = tuple(told[:_PROBLEMS_TOLD])
        self._system.bus.publish(
            ConfigRefused(problems=problems, source=source, who=who, refused_s=now_s)
        )

    # --- the file -----------------------------------------------------------------------------

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_POLL_S, self._look)

    def _look(self) -> None:
        if self._system.config.runtime.reload == "watch":
            stamp = _stamp(self.loaded)
            if stamp is not None and stamp != self._seen and stamp == self._last:
                self._seen = stamp
                self._begin("change of the file")
            self._last = stamp
        self._look_later()

    def _begin(self, who: str) -> None:
        if len(self._tasks) > 1:
            return  # One is at work, and the one that waits will read what the file says then.
        task = asyncio.get_running_loop().create_task(self._quietly(who), name=f"reload: {who}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, who: str) -> None:
        # What is wrong is in the log and on the bus; nobody waits for an answer.
        with contextlib.suppress(ConfigError):
            await self.reload(who=who)


async def outcome_of(change: Awaitable[ConfigChanged]) -> ReloadView:
    """What became of a wish for another configuration, for whoever asked."""
    try:
        changed = await change
    except ConfigError as error:
        problems = tuple(problem_view(each) for each in error.problems)
        return ReloadView(taken=False, reason=str(error), problems=problems)
    return ReloadView(
        taken=True, source=changed.source, changes=changed.changes, took_s=changed.took_s
    )


def _stamp(loaded: Loaded) -> tuple[int, int, int] | None:
    """Tells whether a file was changed; None for one that is not there."""
    try:
        found = loaded.path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _words(problem: Problem) -> str:
    where = f"{problem.source}:{problem.line}: " if problem.line else ""
    return f"{where}{problem.message}"
