"""What a worker is given to do, and what it tells: all that crosses between the processes.

Nothing is pickled: a task is the name of a function and bytes for it, so that the worker builds its
own objects, and a frame that is not of this vocabulary is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..errors import PluginError
from .scores import Matrix, Trial
from .space import Space
from .state import SearchConfig, SearchState

# A state of a thousand candidates with a hundred genes takes 2 MB.
FRAME_BYTES_MAX = 64 * 1024 * 1024


Engine = Literal["local", "dask"]


class Portable(Struct, frozen=True):
    """Enough to make a task in another process, on another machine.

    Attributes:
        task: function that makes it, as ``package.module:function``.
        payload: what it is called with; it names no file.
    """

    task: str
    payload: bytes


class Task(Struct, frozen=True):
    """What to search, as the worker has it.

    Attributes:
        space: where.
        trial: judges by the incidents that are for training.
        known: points to start from; the first one is the incumbent.
        validate: objectives of points for each incident of a lot that training has not seen, shape
            (n, incidents, m).
        hold_out: the same for a lot that is used once, for the winner.
        support: fewest observations that there are of any of some genes.
        portable: the same for another process.
        rehearse: objectives of points in simulated troubles, shape (n, troubles, m), if there are
            any; calls what it is given after each of them.
    """

    space: Space
    trial: Trial
    known: Sequence[Matrix]
    validate: Callable[[Matrix], Any]
    hold_out: Callable[[Matrix], Any]
    support: Callable[[Sequence[str]], int]
    portable: Callable[[], Portable]
    rehearse: Callable[[Matrix, Callable[[], None]], Any] | None = None


class Job(Struct, frozen=True, kw_only=True, tag="job"):
    """What to search, as it is sent.

    Attributes:
        task: function that makes the `Task`, as ``package.module:function``.
        payload: what it is called with.
        search: how to search.
        seed: of all chance.
        state: where an earlier worker came to, if it is to be gone on with.
        cpu_share: of one core, at most.
        engine: who judges candidates: processes of this machine, or a Dask cluster.
        address: of the scheduler of that.
        processes: of this machine that judge, the one that evolves left out if there are more.
        budget_s: CPU seconds of this machine that the search may take, the exam of what it found
            left out; ``None`` for as many as it needs.
    """

    task: str
    payload: bytes
    search: SearchConfig
    seed: int
    state: SearchState | None = None
    cpu_share: Annotated[float, Meta(gt=0, le=64)] = 0.25
    engine: Engine = "local"
    address: str = ""
    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    budget_s: Annotated[float, Meta(gt=0)] | None = None


class Pause(Struct, frozen=True, tag="pause"):
    """Rest after the lot in hand, until `Resume`."""


class Resume(Struct, frozen=True, tag="resume"):
    """Go on."""


class Advanced(Struct, frozen=True, kw_only=True, tag="advanced"):
    """A generation is done.

    Attributes:
        state: enough to go on from here.
        cpu_s: CPU time that the worker has used since its job began.
        wall_s: time since then, rests in pauses left out.
        knee: genes of the best compromise so far; none while nothing keeps the constraints.
    """

    state: SearchState
    cpu_s: float
    wall_s: float
    knee: dict[str, Any]


class Exam(Struct, frozen=True, kw_only=True):
    """What incumbent and candidate did in each incident of a lot.

    Attributes:
        incumbent: objectives by incident, shape (incidents, m).
        candidate: the same.
    """

    incumbent: list[list[float]]
    candidate: list[list[float]]


class Bred(Struct, frozen=True, kw_only=True, tag="bred"):
    """The search is over.

    Attributes:
        state: its end.
        winner: genes of the candidate to adopt; none when nothing is better than the incumbent.
        incumbent: genes of the incumbent.
        support: fewest observations of anything that the winner changes.
        validation: of the winner, incidents that it was chosen by.
        hold_out: of the winner, incidents that nothing was chosen by.
        rehearsal: of the winner, simulated troubles; none where there are none to get through.
        cpu_s: CPU time in all.
        wall_s: time in all.
    """

    state: SearchState
    winner: dict[str, Any]
    incumbent: dict[str, Any]
    support: int
    validation: Exam
    hold_out: Exam
    cpu_s: float
    wall_s: float
    rehearsal: Exam | None = None


class Failed(Struct, frozen=True, tag="failed"):
    """The job cannot be done; ``is_fault`` tells a bug from a refusal."""

    reason: str
    is_fault: bool


Order = Job | Pause | Resume
Report = Advanced | Bred | Failed

_ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_REPORTS: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def frame(message: Order | Report) -> bytes:
    """A message with its length before it.

    Raises:
        ValueError: it is too long.
    """
    body = msgspec.msgpack.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise ValueError(f"a message of {len(body)} bytes; at most {FRAME_BYTES_MAX} are sent")
    return len(body).to_bytes(4, "big") + body


def order_of(body: bytes) -> Order:
    """What was ordered."""
    return _ORDERS.decode(body)


def report_of(body: bytes) -> Report:
    """What was told."""
    return _REPORTS.decode(body)


def load_task(path: str, payload: bytes) -> Task:
    """Make a task from the name of its function.

    Raises:
        PluginError: there is no such function.
    """
    module, _, name = path.partition(":")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(path, f"cannot be loaded: {error}") from error
    task = make(payload)
    assert isinstance(task, Task), f"{path} made {type(task).__name__}, not a Task"
    return task
