from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from mendel import CircuitConfig, Guard, guard
from mendel.agents.guards.registry import forget
from mendel.errors import ConfigError
from mendel.runtime.leases import Lease, Leases

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def db() -> Iterator[Guard]:
    circuit = CircuitConfig(window_calls=4, minimum_calls=2, failure_rate=0.5, open_s=5.0)
    yield guard("leased-db", circuit=circuit)
    forget("leased-db")


async def test_a_call_is_permitted_and_its_permit_given_back(db: Guard) -> None:
    leases = Leases()

    lease = leases.acquire("leased-db", 60.0)
    leases.release(lease.lease, "success", 0.1)

    assert lease == Lease(permitted=True, lease="leased-db.1")
    assert db.state == "closed"


async def test_failures_that_others_tell_open_the_circuit(db: Guard) -> None:
    leases = Leases()
    for _ in range(2):
        leases.release(leases.acquire("leased-db", 60.0).lease, "failure", 0.1)

    refused = leases.acquire("leased-db", 60.0)

    assert not refused.permitted
    assert refused.lease == ""
    assert refused.retry_after_s is not None
    assert 0.0 < refused.retry_after_s <= 6.0
    assert "open" in refused.reason


async def test_a_permit_that_never_comes_back_counts_as_a_failed_call(db: Guard) -> None:
    leases = Leases()
    for _ in range(2):
        leases.acquire("leased-db", 10.0)

    await asyncio.sleep(10.1)

    assert leases.expired == 2
    assert db.state == "open"


async def test_a_permit_is_given_back_once(db: Guard) -> None:
    leases = Leases()
    lease = leases.acquire("leased-db", 10.0).lease
    leases.release(lease, "success", 0.1)

    with pytest.raises(ConfigError, match=r"no permit 'leased-db.1' is lent out"):
        leases.release(lease, "failure", 0.1)
    await asyncio.sleep(11.0)
    assert leases.expired == 0


async def test_a_target_without_a_guard_is_told_apart(db: Guard) -> None:
    with pytest.raises(ConfigError, match=r"no guard of 'leased-bd'.*leased-db"):
        Leases().acquire("leased-bd", 10.0)


async def test_permits_that_are_out_at_the_end_decide_nothing(db: Guard) -> None:
    leases = Leases()
    for _ in range(2):
        leases.acquire("leased-db", 10.0)
    leases.close()

    await asyncio.sleep(11.0)

    assert db.state == "closed"
