"""What holds for all verbs when things get strange: many incidents, bad input, time, levels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import permutations
from typing import ClassVar

from .patients import Patient, Stage, Ward, detect, refused


class StrangePromises(Stage):
    """Tests of what nobody plans for.

    Attributes:
        levels: that components can be on; only for those whose components have levels.
    """

    levels: ClassVar[Sequence[str]] = ("basic", "advanced", "full")

    # --- several ------------------------------------------------------------------------------

    def test_independent_incidents_are_healed_at_once(self) -> None:
        async def story(ward: Ward) -> None:
            for name in ward.patients:
                await ward.feed(name)
            for name in ("cart", "web"):
                ward[name].crash()
            chosen = [await ward.until_chosen(name) for name in ("cart", "web")]
            began_s = asyncio.get_running_loop().time()
            told = await asyncio.gather(*map(ward.healer.apply_response, chosen))
            took_s = asyncio.get_running_loop().time() - began_s
            assert [each.outcome for each in told] == ["succeeded", "succeeded"]
            assert took_s <= 1.5 * ward["cart"].takes_s
            assert [(await ward.until_over(name)).outcome for name in ("cart", "web")] == [
                "healed",
                "healed",
            ]
            assert [ward[name].begun for name in ("cart", "web", "db")] == [1, 1, 0]

        self.follow(story, *(Patient(name) for name in ("cart", "web", "db", "mail", "pay", "cdn")))

    def test_who_suffers_from_a_dependency_is_left_alone(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.tend(3)
            ward["db"].crash()
            await ward.tend(60)
            assert (ward["db"].begun, ward["cart"].begun) == (1, 0)
            assert (await ward.healer.verify_recovery("cart")).is_over

        db = Patient("db", takes_s=10.0)
        self.follow(story, db, Patient("cart", [db]))

    # --- bad input ----------------------------------------------------------------------------

    def test_a_stranger_is_refused_by_name_and_nothing_changes(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.feed()
            before = (await ward.healer.get_health_status()).components
            for attempt in (
                lambda: ward.healer.detect_anomaly("chart", {"alive": 0.0}),
                lambda: ward.healer.select_response("chart"),
                lambda: ward.healer.verify_recovery("chart"),
            ):
                assert "chart" in await refused(attempt)
            assert (await ward.healer.get_health_status()).components == before

        self.follow(story)

    def test_samples_that_are_none_are_refused_whole(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.feed()
            nan, inf = float("nan"), float("inf")
            for bad in ({}, {"ok": nan}, {"ok": inf}, {"ok": "yes"}, {"ok": None}, None, [1.0]):
                # What stands beside the mistake is not taken either, however often it comes.
                worse = {"alive": 0.0, **bad} if isinstance(bad, dict) and bad else bad
                for _ in range(5):
                    reason = await refused(partial(detect, ward, worse))
                    assert "cart" in reason
            assert not (await ward.feed()).is_anomalous
            assert dict((await ward.healer.get_health_status()).incidents) == {}

        self.follow(story)

    # --- time going strangely -----------------------------------------------------------------

    def test_what_is_no_time_is_refused(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.feed()
            for bad in (float("nan"), float("inf"), -float("inf"), "noon"):
                for attempt in (
                    partial(ward.healer.detect_anomaly, "cart", {"alive": 0.0}, now_s=bad),
                    partial(ward.healer.select_response, "cart", now_s=bad),
                    partial(ward.healer.verify_recovery, "cart", now_s=bad),
                    partial(ward.healer.get_health_status, now_s=bad),
                ):
                    assert "now_s" in await refused(attempt)
            assert not (await ward.feed()).is_anomalous

        self.follow(story)

    def test_time_that_runs_backward_counts_as_standing_still(self) -> None:
        async def story(ward: Ward) -> None:
            cart, at_s = ward["cart"], 0.0
            cart.crash()
            for second in (100.0, 101.0, 40.0, 102.0, -5.0, 103.0):
                detection = await ward.healer.detect_anomaly("cart", cart.metrics(), now_s=second)
                assert detection.at_s >= at_s
                at_s = detection.at_s
                await asyncio.sleep(0.1)
            await ward.healer.apply_response(await ward.until_chosen())
            assert (await ward.until_over()).outcome == "healed"
            assert cart.begun == 1

        self.follow(story)

    def test_after_an_hour_in_which_nobody_asked_it_goes_on(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].answers = False
            await ward.healer.apply_response(await ward.until_chosen())
            ward["cart"].answers = False
            await asyncio.sleep(3600.0)
            assert ward["cart"].begun <= 2, "it was treated again, and nobody had looked"
            ward["cart"].answers = True
            for _ in range(30):
                await ward.feed()
                await asyncio.sleep(1.0)
            assert (await ward.healer.verify_recovery("cart")).is_over

        self.follow(story)

    # --- levels -------------------------------------------------------------------------------

    def test_any_change_of_level_keeps_the_incident(self) -> None:
        async def story(ward: Ward) -> None:
            if not hasattr(ward.healer, "change_level"):
                return
            ward["cart"].crash()
            response = await ward.until_chosen()
            for before, after in permutations(self.levels, 2):
                for level in (before, after):
                    await ward.healer.change_level("cart", level)
                    health = await ward.healer.get_health_status()
                    assert health.levels["cart"] == level
                    assert dict(health.incidents) == {"cart": response.incident}
                    assert (await ward.healer.select_response("cart")).intent == response.intent
            await ward.healer.apply_response(response)
            assert (await ward.until_over()).outcome == "healed"
            assert ward["cart"].begun == 1

        self.follow(story)

    def test_a_change_of_level_while_an_action_runs_or_is_judged(self) -> None:
        for before, after in permutations(self.levels, 2):
            self.follow(partial(_changed, before=before, after=after))

    def test_a_level_that_there_is_not_is_refused(self) -> None:
        async def story(ward: Ward) -> None:
            if not hasattr(ward.healer, "change_level"):
                return
            before = (await ward.healer.get_health_status()).levels
            assert "heroic" in await refused(lambda: ward.healer.change_level("cart", "heroic"))
            assert "chart" in await refused(lambda: ward.healer.change_level("chart", "basic"))
            assert (await ward.healer.get_health_status()).levels == before

        self.follow(story)


async def _changed(ward: Ward, before: str, after: str) -> None:
    """From one level to another while the action runs, and back while it is judged."""
    if not hasattr(ward.healer, "change_level"):
        return
    await ward.healer.change_level("cart", before)
    ward["cart"].crash()
    response = await ward.until_chosen()
    applying = asyncio.ensure_future(ward.healer.apply_response(response))
    await asyncio.sleep(ward["cart"].takes_s / 2)
    await ward.healer.change_level("cart", after)
    assert (await applying).outcome == "succeeded"
    await ward.healer.change_level("cart", before)
    recovery = await ward.until_over()
    assert (recovery.incident, recovery.outcome) == (response.incident, "healed")
    assert ward["cart"].begun == 1
