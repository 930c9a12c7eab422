"""Forks a process that commits without end, as often as it is asked to; see test_crash.py.

Reads the path of a store per line. Each child prints its process id, then the name of each intent
once its commit has returned. Forking saves the start of an interpreter for each of them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from mendel.core.records import IncidentRecord, IntentRecord, OutcomeRecord
from mendel.runtime.store import Store


async def commit_for_ever(path: Path) -> None:
    async with Store(path) as store:
        for number in itertools.count(1):
            name = f"{store.run}-{number}"
            store.note(
                IncidentRecord(
                    incident=name, target="cart", stage="triage", reason="", at_s=0.0, onset_s=0.0
                )
            )
            await store.commit(
                IntentRecord(
                    intent=name,
                    incident=name,
                    target="cart",
                    action="restart",
                    attempt=1,
                    timeout_s=1.0,
                    at_s=0.0,
                )
            )
            os.write(1, f"intent {name}\n".encode())
            if number % 2:
                await store.commit(
                    OutcomeRecord(
                        intent=name, outcome="succeeded", detail="", duration_s=0.1, at_s=0.1
                    )
                )
                os.write(1, f"outcome {name}\n".encode())


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.write(1, f"pid {os.getpid()}\n".encode())
        asyncio.run(commit_for_ever(Path(line.strip())))
    os.waitpid(child, 0)
    os.write(1, b"dead\n")
