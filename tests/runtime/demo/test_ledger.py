"""What has been heard, and whether all is quiet."""

import asyncio

import pytest
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    CircuitChanged,
    HealthChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    Status,
)
from mendel.runtime.demo.ledger import Ledger


def health(target: str, status: Status) -> Message:
    return HealthChanged(
        target=target, status=status, previous=Status.UNKNOWN, reason="", changed_s=1.0
    )


def circuit(target: str, state: str) -> Message:
    return CircuitChanged(target=target, state=state, previous="", reason="", changed_s=1.0)


OPENED = IncidentOpened(target="db", incident="1", onset_s=1.0, opened_s=1.5)
CLOSED = IncidentClosed(
    target="db",
    incident="1",
    outcome="healed",
    actions=(),
    onset_s=1.0,
    opened_s=1.5,
    closed_s=4.0,
)


def a_calm_ledger() -> Ledger:
    ledger = Ledger(["web", "db"])
    ledger.hear(health("web", Status.HEALTHY))
    ledger.hear(health("db", Status.HEALTHY))
    return ledger


class TestCalm:
    def test_it_is_not_calm_before_everybody_was_seen_healthy(self) -> None:
        ledger = Ledger(["web", "db"])
        ledger.hear(health("web", Status.HEALTHY))

        assert not ledger.is_calm
        assert a_calm_ledger().is_calm

    @pytest.mark.parametrize(
        ("trouble", "end"),
        [
            (health("db", Status.SUSPECT), health("db", Status.HEALTHY)),
            (circuit("db", "forced_open"), circuit("db", "closed")),
            (OPENED, CLOSED),
        ],
    )
    def test_trouble_of_any_kind_ends_the_calm_until_it_is_over(
        self, trouble: Message, end: Message
    ) -> None:
        ledger = a_calm_ledger()

        ledger.hear(trouble)
        during = ledger.is_calm
        ledger.hear(end)

        assert (during, ledger.is_calm) == (False, True)

    @pytest.mark.virtual_time
    async def test_one_can_wait_for_it(self) -> None:
        ledger = a_calm_ledger()
        ledger.hear(OPENED)
        asyncio.get_running_loop().call_at(3.0, ledger.hear, CLOSED)

        too_short = await ledger.until(lambda: ledger.is_calm, 2.0)
        long_enough = await ledger.until(lambda: ledger.is_calm, 2.0)

        assert (too_short, long_enough) == (False, True)
        assert asyncio.get_running_loop().time() == 3.0


class TestRecord:
    def test_what_was_healed_counts_from_the_incident_on(self) -> None:
        ledger = a_calm_ledger()
        ledger.hear(OPENED)
        ledger.hear(CLOSED)

        assert ledger.has_healed("db", 1.4)
        assert not ledger.has_healed("db", 1.6)
        assert not ledger.has_healed("web", 1.4)

    def test_actions_under_way_are_known_by_their_intent(self) -> None:
        ledger = a_calm_ledger()
        for intent, action in (("1", "isolate"), ("2", "restart")):
            ledger.hear(
                ActionStarted(
                    target="db",
                    intent=intent,
                    incident="1",
                    action=action,
                    timeout_s=5.0,
                    started_s=1.0,
                )
            )

        ledger.hear(
            ActionFinished(
                target="db",
                intent="1",
                incident="1",
                action="isolate",
                outcome="succeeded",
                detail="",
                duration_s=0.1,
                finished_s=1.1,
            )
        )

        assert ledger.running == {"2": ("db", "restart")}

    def test_only_what_is_scored_is_kept_up_to_a_bound(self) -> None:
        ledger = Ledger(["web", "db"], messages_max=2)

        for _ in range(3):
            ledger.hear(OPENED)

        assert (ledger.messages, ledger.lost) == ([OPENED, OPENED], 1)
