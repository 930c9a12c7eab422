"""How the store writes, how much it keeps, and what it does while it cannot write."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...errors import ConfigError

_DAY_S = 86_400.0


class StoreConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the store.

    Attributes:
        queue_bytes: how much may wait for the disk. Beyond it notes are dropped and counted, and
            commits wait for room.
        reserve_bytes: room on top that is for commits alone, while the store cannot write and
            nobody may wait for it; beyond it they are dropped and counted too.
        busy_s: how long a lock of another program (a backup) is waited for.
        stall_s: a disk that has not answered after this time counts as failed; healing goes on.
        retry_s: wait before the first attempt to write again; doubled with every failure.
        retry_s_max: longest wait between two attempts.
        keep_s: ended incidents, agent events and audit rows older than this are swept away.
        keep_incidents: newest incidents to keep, whatever their age allows; open ones always stay.
        keep_events: newest agent events and audit rows to keep, and a hundredth of it configs.
        sweep_s: time between two sweeps.
        sweep_rows: rows that one sweep takes from a table in one transaction.
    """

    queue_bytes: Annotated[int, Meta(ge=65_536)] = 32 * 1024 * 1024
    reserve_bytes: Annotated[int, Meta(ge=4_096)] = 8 * 1024 * 1024
    busy_s: Annotated[float, Meta(ge=0)] = 1.0
    stall_s: Annotated[float, Meta(gt=0)] = 2.0
    retry_s: Annotated[float, Meta(gt=0)] = 0.25
    retry_s_max: Annotated[float, Meta(gt=0)] = 15.0
    keep_s: Annotated[float, Meta(gt=0)] = 90 * _DAY_S
    keep_incidents: Annotated[int, Meta(ge=1)] = 10_000
    keep_events: Annotated[int, Meta(ge=100)] = 100_000
    sweep_s: Annotated[float, Meta(gt=0)] = 600.0
    sweep_rows: Annotated[int, Meta(ge=1)] = 200

    def __post_init__(self) -> None:
        if self.retry_s > self.retry_s_max:
            raise ConfigError(f"retry_s={self.retry_s} exceeds retry_s_max={self.retry_s_max}")
