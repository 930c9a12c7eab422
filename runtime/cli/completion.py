"""The command that teaches a shell the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ...errors import EnvironmentProblem
from .answers import Script
from .output import Done, Printer

Shell = Literal["bash", "zsh", "fish"]


def completion_of(app: App) -> Callable[..., None]:
    """The command for the commands of an app."""

    def completion(
        shell: Annotated[Shell | None, Parameter(show_choices=True)] = None,
        /,
        *,
        install: bool = False,
        out: Printer,
    ) -> None:
        """Print what a shell needs to complete commands and options, or put it where it looks.

        Args:
            shell: which; by default the one that this runs in.
            install: write it to the user's folder for completions, and load it from the shell's
                start.
        """
        with _problems_told():
            if install:
                _tell_installed(str(app.install_completion(shell=shell)), out)
            elif out.is_text:
                out.line(app.generate_completion(shell=shell).rstrip())
            else:
                out.show(Script(app.generate_completion(shell=shell)))

    return completion


@contextmanager
def _problems_told() -> Iterator[None]:
    from cyclopts.completion import ShellDetectionError

    try:
        yield
    except ShellDetectionError as error:
        raise EnvironmentProblem(
            "cannot tell which shell this is", "name it: mendel completion bash"
        ) from error
    except BrokenPipeError:
        raise  # Whoever reads it has seen enough.
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {error.filename}: {error.strerror}",
            "print it instead, and put it where your shell looks: mendel completion bash",
        ) from error


def _tell_installed(path: str, out: Printer) -> None:
    if out.is_text:
        out.line(f"written to {path}; it works in shells that are started from now on")
    else:
        out.show(Done(f"written to {path}"))
