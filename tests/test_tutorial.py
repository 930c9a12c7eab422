"""Tutorial and how-to pages, read by a machine that writes their files and types their commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import eventually

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("tutorial", "how-to/systemd", "how-to/scenario", "how-to/prometheus")
_FENCE = re.compile(r"^```(\{code-block\} \w+|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class File(NamedTuple):
    """Something that the reader is to write."""

    name: str
    text: str


class Command(NamedTuple):
    """Something that the reader is to type, and what is shown then; ``...`` stands for anything."""

    text: str
    shown: tuple[str, ...]


def steps(page: str) -> Iterator[File | Command]:
    for kind, body in _FENCE.findall(page):
        if kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                text, *shown = part.rstrip().splitlines()
                yield Command(text, tuple(shown))
        else:
            caption, _, text = body.partition("\n\n")
            yield File(caption.removeprefix(":caption: "), text)


def fits(shown: tuple[str, ...], told: str) -> bool:
    """Whether what was told is what the page shows, spaces aside."""
    lines = [line.split() for line in shown]
    pattern = r"\s+".join(
        r"\s*".join(".*".join(re.escape(piece) for piece in word.split("...")) for word in line)
        for line in lines
    )
    return re.fullmatch(pattern, told.strip(), re.DOTALL) is not None


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_ = folder / "bin"
        bin_.mkdir()
        (bin_ / "mendel").write_text(
            f"#!{sys.executable}\n"
            "import sys\nfrom mendel.runtime.cli import main\nsys.exit(main())\n"
        )
        (bin_ / "mendel").chmod(0o755)
        path = f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environ = os.environ | {"PATH": path, "COLUMNS": "200"}
        self.told = ""
        self.left_running: list[subprocess.Popen[bytes]] = []

    def end(self) -> None:
        """Whatever was started in the background ends."""
        for process in self.left_running:
            process.terminate()
            process.wait(timeout=10)

    def follow(self, step: File | Command) -> None:
        if isinstance(step, File):
            (self.folder / step.name).write_text(step.text)
        elif step.text.endswith("&"):
            command = ["bash", "-c", f"exec {step.text.rstrip('& ')}"]
            self.left_running.append(subprocess.Popen(command, **self._where()))
        else:
            eventually(
                lambda: self.type(step.text) and fits(step.shown, self.told),
                within_s=40,
                what=f"$ {step.text}",
            )

    def type(self, text: str) -> bool:
        """Whether a command went as commands should; 1 is a no, which is an answer too."""
        ended = subprocess.run(
            ["bash", "-c", text], capture_output=True, text=True, check=False, **self._where()
        )
        self.told = ended.stdout
        return ended.returncode in (0, 1)

    def _where(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": self.environ}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", PAGES)
def test_every_step_of_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for step in steps((DOCS / f"{page}.md").read_text()):
            reader.follow(step)
    finally:
        reader.end()


def test_what_does_not_fit_is_noticed() -> None:
    assert fits(("a b", "...c..."), "a   b\nxx c yy")
    assert not fits(("a b",), "a c")
    assert not fits(("...healthy...",), "sick")
