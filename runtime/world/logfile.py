"""What a managed process prints, in a file that stays bounded.

The process writes into the file itself, so it never waits for mendel, and lives on when mendel
dies (a pipe would then kill it at its next line). To bound the file, mendel copies its end to
``NAME.log.1`` and cuts it to nothing; as it was opened for appending, the process goes on at its
new end. What is printed between the two steps, some microseconds, is lost. Renaming was turned
down: the process would go on writing into the renamed file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ...errors import EnvironmentProblem
from .shortage import OUR_ERRORS


class LogFile:
    """The log of one managed process.

    Args:
        path: where it is; its former part gets the suffix ``.1``.
        limit_bytes: how much is kept in each of the two files. Until `rotate` is called, and while
            no mendel runs, the file may be larger.

    Attributes:
        rotations: how often it was cut.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self.rotations = 0

    def open(self) -> int:
        """Open it for a process to write to; a file that cannot be written leads to nowhere.

        A full disk must not keep a service from being started.

        Raises:
            EnvironmentProblem: mendel cannot open any file.
        """
        try:
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno in OUR_ERRORS:
                raise EnvironmentProblem(f"no log can be opened: {error.strerror}") from None
            return os.open(os.devnull, os.O_WRONLY)

    @property
    def is_full(self) -> bool:
        """Whether it is over its limit and must be cut."""
        try:
            return self.path.stat().st_size > self.limit_bytes
        except OSError:
            return False

    def rotate(self) -> bool:
        """Cut the file if it is over its limit; a disk that cannot be written is tried again.

        Large files take a while to copy, so this is for a thread.
        """
        if not self.is_full:
            return False
        previous = self.path.with_name(self.path.name + ".1")
        try:
            target = os.open(previous, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(target, "wb") as kept, self.path.open("rb") as full:
                full.seek(-self.limit_bytes, os.SEEK_END)
                shutil.copyfileobj(full, kept)
            os.truncate(self.path, 0)
        except OSError:
            return False
        self.rotations += 1
        return True
