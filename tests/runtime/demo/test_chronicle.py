"""What has been heard, and whether all is quiet."""

import asyncio

import pytest
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    HealthChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    Status,
)
from mendel.runtime.demo.chronicle import Chronicle


def health(target: str, status: Status) -> Message:
    return HealthChanged(
        target=target, status=status, previous=Status.UNKNOWN, reason="", changed_s=1.0
    )


def finished(action: str, outcome: str = "succeeded", intent: str = "1") -> Message:
    return ActionFinished(
        target="db",
        intent=intent,
        incident="1",
        action=action,
        outcome=outcome,
        detail="",
        duration_s=0.1,
        finished_s=1.1,
    )


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


def a_calm_chronicle() -> Chronicle:
    chronicle = Chronicle(["web", "db"])
    chronicle.hear(health("web", Status.HEALTHY))
    chronicle.hear(health("db", Status.HEALTHY))
    return chronicle


class TestCalm:
    def test_it_is_not_calm_before_everybody_was_seen_healthy(self) -> None:
        chronicle = Chronicle(["web", "db"])
        chronicle.hear(health("web", Status.HEALTHY))

        assert not chronicle.is_calm
        assert a_calm_chronicle().is_calm

    @pytest.mark.parametrize(
        ("trouble", "end"),
        [
            (health("db", Status.SUSPECT), health("db", Status.HEALTHY)),
            (finished("isolate"), finished("release")),
            (OPENED, CLOSED),
        ],
    )
    def test_trouble_of_any_kind_ends_the_calm_until_it_is_over(
        self, trouble: Message, end: Message
    ) -> None:
        chronicle = a_calm_chronicle()

        chronicle.hear(trouble)
        during = chronicle.is_calm
        chronicle.hear(end)

        assert (during, chronicle.is_calm) == (False, True)

    @pytest.mark.virtual_time
    async def test_one_can_wait_for_it(self) -> None:
        chronicle = a_calm_chronicle()
        chronicle.hear(OPENED)
        asyncio.get_running_loop().call_at(3.0, chronicle.hear, CLOSED)

        too_short = await chronicle.until(lambda: chronicle.is_calm, 2.0)
        long_enough = await chronicle.until(lambda: chronicle.is_calm, 2.0)

        assert (too_short, long_enough) == (False, True)
        assert asyncio.get_running_loop().time() == 3.0

    def test_an_isolation_that_failed_keeps_nobody_away(self) -> None:
        chronicle = a_calm_chronicle()

        chronicle.hear(finished("isolate", outcome="failed"))

        assert chronicle.is_calm


class TestRecord:
    def test_what_was_healed_counts_from_the_incident_on(self) -> None:
        chronicle = a_calm_chronicle()
        chronicle.hear(OPENED)
        chronicle.hear(CLOSED)

        assert chronicle.has_healed("db", 1.4)
        assert not chronicle.has_healed("db", 1.6)
        assert not chronicle.has_healed("web", 1.4)

    def test_actions_under_way_are_known_by_their_intent(self) -> None:
        chronicle = a_calm_chronicle()
        for intent, action in (("1", "isolate"), ("2", "restart")):
            chronicle.hear(
                ActionStarted(
                    target="db",
                    intent=intent,
                    incident="1",
                    action=action,
                    timeout_s=5.0,
                    started_s=1.0,
                )
            )

        chronicle.hear(finished("isolate"))

        assert chronicle.running == {"2": ("db", "restart")}

    def test_only_what_is_scored_is_kept_up_to_a_bound(self) -> None:
        chronicle = Chronicle(["web", "db"], messages_max=2)

        for _ in range(3):
            chronicle.hear(OPENED)

        assert (chronicle.messages, chronicle.lost) == ([OPENED, OPENED], 1)
