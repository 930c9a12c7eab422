"""A process in a group of its own: started or taken over, watched, signalled, reaped.

Everything that the process forks belongs to its group unless it leaves on purpose, so a signal to
the group reaches the whole of it. Numbers of processes and groups are used again by the system;
therefore no signal is sent before a member of the group has been recognised by its birth. As long
as one such member lives (or waits to be reaped), its group's number cannot pass to others.

The end is noticed by a pidfd in the event loop, which works for our own children and for processes
taken over from a mendel that died. A thread or a SIGCHLD handler per child was turned down: the
first costs a stack each, the second belongs to the program that mendel may be embedded in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import EnvironmentProblem
from .identity import Identity, is_alive, look, members

# Time for the kernel to clear away a killed group; what needs longer hangs in a system call.
KILLED_S = 0.5
# How often a group whose leader has ended is looked at, and a leader where there is no pidfd.
LOOK_S = 0.01


class Child:
    """One process group and its leader.

    Args:
        leader: the process that leads the group; its number is the group's.
        popen: how it was started, when it is our own child, so that it is reaped.
        others: further members that are known, in case the leader has already ended.

    Attributes:
        leader: the process that was started.
        ended: done as soon as the leader has ended, with its exit status: negative for a signal,
            None for one that was taken over, whose status only its own parent is told.
        started_s: loop time at which we started it or took it over.
        ended_s: loop time at which its end was noticed; 0.0 before.
        is_ours: whether we started it ourselves.
    """

    def __init__(
        self,
        leader: Identity,
        popen: subprocess.Popen[bytes] | None = None,
        others: Iterable[Identity] = (),
    ) -> None:
        self.leader = leader
        self.is_ours = popen is not None
        self._popen = popen
        self._known = {leader, *others}
        self._loop = asyncio.get_running_loop()
        self.started_s = self._loop.time()
        self.ended_s = 0.0
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        self._pidfd = _open_pidfd(leader.pid)
        self._timer: asyncio.TimerHandle | None = None
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._on_end)
        self._check()

    @property
    def is_alive(self) -> bool:
        """Whether the leader runs, or is stopped; a zombie does not."""
        return not self.ended.done() and is_alive(self.leader)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the whole group; False when nothing of it is left.

        Raises:
            EnvironmentProblem: the system does not let us recognise it, so nothing was sent.
        """
        group = self.leader.pid
        if group <= 1 or group == os.getpgrp() or not self._is_recognised():
            return False
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def end(self, patience_s: float) -> bool:
        """SIGTERM to the group, and after a while SIGKILL.

        Args:
            patience_s: time between the two; 0.0 kills at once.

        Returns:
            Whether nothing of the group is left; a process that hangs in a system call may be.
        """
        if patience_s > 0:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # A stopped process takes the first only when it goes on.
            if await self._is_gone_within(patience_s):
                return True
        self.signal(signal.SIGKILL)
        return await self._is_gone_within(KILLED_S)

    def let_go(self) -> None:
        """Stop watching; the process goes on without us."""
        self._stop_watching()
        if self._popen is not None and self._popen.returncode is None:
            self._popen.returncode = 0  # It is meant to outlive us, so no warning about that.

    def _check(self) -> None:
        try:
            seems_alive = is_alive(self.leader)
        except EnvironmentProblem:
            seems_alive = True  # Its end will be seen later.
        if not seems_alive:
            self._on_end()
        elif self._pidfd is None:
            self._timer = self._loop.call_later(LOOK_S, self._check)

    def _on_end(self) -> None:
        if self.ended.done():
            return
        # Before reaping: until then nobody else can have the number of the group.
        with contextlib.suppress(EnvironmentProblem, OSError):
            if self._is_recognised():
                self._known.update(members(self.leader.pid))
        status = self._popen.poll() if self._popen is not None else None
        if self.is_ours and status is None:
            return  # Only its first thread has ended; the others still do the work.
        self._stop_watching()
        self.ended_s = self._loop.time()
        self.ended.set_result(status)

    def _stop_watching(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._timer is not None:
            self._timer.cancel()

    def _is_recognised(self) -> bool:
        if self._popen is not None and self._popen.returncode is None:
            return True  # Nobody else can have its number before we reap it.
        for known in self._known:
            seen = look(known.pid)
            if seen is not None and seen.identity == known and seen.group == self.leader.pid:
                return True
        return False

    async def _is_gone_within(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.shield(self.ended)
                # Nobody is told when the last member of a group ends.
                while self._is_recognised() and members(self.leader.pid):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True


def spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: int,
) -> Child:
    """Start a command without a shell, in a session and group of its own.

    Args:
        command: program and arguments.
        cwd: folder that it runs in.
        env: its whole environment.
        output: descriptor of what takes its output and its errors.

    Raises:
        EnvironmentProblem: it cannot be started; the message says what is missing.
    """
    try:
        # Popen waits for the program to be loaded (about a millisecond), as asyncio's own does.
        popen = subprocess.Popen(  # noqa: S603  # What is run is the user's own configuration.
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _explain(error, command[0], cwd, env) from None
    try:
        seen = look(popen.pid)
    except EnvironmentProblem:
        popen.kill()
        popen.wait()
        raise
    assert seen is not None, "a child that nobody has reaped is always there"
    return Child(seen.identity, popen)


def _explain(
    error: OSError | ValueError, program: str, cwd: Path, env: Mapping[str, str]
) -> EnvironmentProblem:
    path = env.get("PATH", os.defpath)
    if isinstance(error, ValueError):
        return EnvironmentProblem(f"command {program!r} cannot be started: {error}")
    if not cwd.is_dir():
        return EnvironmentProblem(f"folder {str(cwd)!r} to run {program!r} in does not exist")
    if "/" not in program and shutil.which(program, path=path) is None:
        return EnvironmentProblem(
            f"command {program!r} was not found",
            f"install it, or give its full path; PATH is {path}",
        )
    if "/" in program and not (cwd / program).exists():
        return EnvironmentProblem(f"command {str(cwd / program)!r} does not exist")
    reason = error.strerror
    if isinstance(error, FileNotFoundError):
        reason = "the interpreter that its first line names does not exist"
    return EnvironmentProblem(f"command {program!r} cannot be started: {reason}")


def _open_pidfd(pid: int) -> int | None:
    """Open a descriptor that becomes readable when the process ends; None where there is none.

    Linux has them since 5.3; some containers forbid the call.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
