"""What each verb promises, called as it is meant to be called, and again, and by many."""

from __future__ import annotations

import asyncio
import contextlib

from .patients import Patient, Stage, Ward, an_experience


class VerbPromises(Stage):
    """One group of tests for each verb."""

    # --- detect_anomaly -----------------------------------------------------------------------

    def test_a_healthy_sample_asks_for_nothing(self) -> None:
        async def story(ward: Ward) -> None:
            for _ in range(10):
                detection = await ward.feed()
                response = await ward.healer.select_response("cart")
                assert (detection.is_anomalous, detection.incident) == (False, "")
                assert detection.anomalies == ()
                assert (response.action, response.intent) == ("", "")
                await asyncio.sleep(1.0)
            assert detection.status == "healthy"

        self.follow(story)

    def test_a_process_that_is_gone_is_an_anomaly_with_an_incident(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.feed()
            ward["cart"].crash()
            detection = await ward.until_ill()
            assert (detection.target, detection.status) == ("cart", "sick")
            assert [each.metric for each in detection.anomalies] == ["alive"]
            assert detection.incident

        self.follow(story)

    def test_an_anomaly_is_told_once(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            await ward.until_ill()
            for _ in range(5):
                assert (await ward.feed()).anomalies == ()
                await asyncio.sleep(0.5)

        self.follow(story)

    def test_one_bad_answer_is_no_anomaly(self) -> None:
        async def story(ward: Ward) -> None:
            for second in range(20):
                ward["cart"].answers = second != 10
                assert not (await ward.feed()).is_anomalous
                await asyncio.sleep(1.0)

        self.follow(story)

    # --- select_response ----------------------------------------------------------------------

    def test_the_same_response_is_told_until_it_is_carried_out(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            first = await ward.until_chosen()
            again = await ward.healer.select_response("cart")
            assert (first.target, first.action) == ("cart", "restart")
            assert first.incident
            assert first.intent
            assert again == first
            await ward.healer.apply_response(first)
            assert (await ward.healer.select_response("cart")).intent != first.intent

        self.follow(story)

    # --- apply_response -----------------------------------------------------------------------

    def test_a_response_is_carried_out_and_told_of(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            finished = await ward.healer.apply_response(response)
            assert (finished.outcome, finished.action) == ("succeeded", "restart")
            assert (finished.target, finished.intent) == ("cart", response.intent)
            assert finished.incident == response.incident
            assert finished.duration_s >= ward["cart"].takes_s
            assert (ward["cart"].begun, ward["cart"].done) == (1, 1)

        self.follow(story)

    def test_applied_again_it_runs_once_and_tells_the_same(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            first = await ward.healer.apply_response(response)
            assert await ward.healer.apply_response(response) == first
            await asyncio.sleep(5.0)
            assert await ward.healer.apply_response(response) == first
            assert ward["cart"].begun == 1

        self.follow(story)

    def test_applied_by_many_at_once_it_runs_once(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            told = await asyncio.gather(*(ward.healer.apply_response(response) for _ in range(5)))
            assert {each.outcome for each in told} == {"succeeded"}
            assert ward["cart"].begun == 1

        self.follow(story)

    def test_a_cancelled_caller_neither_loses_it_nor_runs_it_twice(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            applying = asyncio.ensure_future(ward.healer.apply_response(response))
            await asyncio.sleep(ward["cart"].takes_s / 2)
            applying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await applying
            assert applying.cancelled(), "cancellation has to pass through"
            finished = await ward.healer.apply_response(response)
            assert finished.outcome in ("succeeded", "failed", "unknown")
            assert ward["cart"].begun == 1

        self.follow(story)

    def test_a_response_without_an_action_is_not_run(self) -> None:
        async def story(ward: Ward) -> None:
            await ward.feed()
            nothing = await ward.healer.select_response("cart")
            assert (await ward.healer.apply_response(nothing)).outcome == "not_run"
            assert ward["cart"].begun == 0

        self.follow(story)

    def test_a_response_that_nobody_gave_is_not_run(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            kind = type(response)
            values = {name: getattr(response, name) for name in kind.__struct_fields__}
            forged = kind(**{**values, "intent": "no such intent"})
            assert (await ward.healer.apply_response(forged)).outcome == "not_run"
            await ward.healer.apply_response(response)
            assert ward["cart"].begun == 1

        self.follow(story)

    def test_a_response_that_was_overtaken_is_not_run(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            if ward["cart"].begun:
                return  # Who begins by himself cannot be overtaken.
            ward["cart"].is_up = True
            for _ in range(60):
                await ward.feed()
                await asyncio.sleep(1.0)
            recovery = await ward.healer.verify_recovery("cart")
            assert (recovery.is_over, recovery.outcome) == (True, "cleared")
            assert (await ward.healer.apply_response(response)).outcome == "not_run"
            assert ward["cart"].begun == 0

        self.follow(story)

    def test_an_action_that_raises_has_failed(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            ward["cart"].problem = "no such unit"
            finished = await ward.healer.apply_response(await ward.until_chosen())
            assert finished.outcome == "failed"
            assert "no such unit" in finished.detail
            assert not (await ward.healer.verify_recovery("cart")).is_over

        self.follow(story)

    # --- verify_recovery ----------------------------------------------------------------------

    def test_nothing_is_over_before_it_is_proven(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            await ward.healer.apply_response(await ward.until_chosen())
            recovery = await ward.healer.verify_recovery("cart")
            assert not recovery.is_over
            assert recovery.outcome == ""
            recovery = await ward.until_over()
            assert (recovery.is_over, recovery.outcome) == (True, "healed")
            assert recovery.status == "healthy"
            assert [each.verdict for each in recovery.experience] == ["helped"]

        self.follow(story)

    def test_one_good_sample_is_no_proof(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].answers = False
            await ward.healer.apply_response(await ward.until_chosen())
            await ward.feed()
            assert not (await ward.healer.verify_recovery("cart")).is_over

        self.follow(story)

    def test_what_does_not_help_is_given_up_and_a_person_asked(self) -> None:
        async def story(ward: Ward) -> None:
            cart = ward["cart"]
            cart.answers, cart.cured_by_restart = False, False
            for _ in range(900):
                await ward.tend(1)
                recovery = await ward.healer.verify_recovery("cart")
                if recovery.is_escalated:
                    break
            assert recovery.is_escalated, "nobody was asked in a quarter of an hour"
            begun = cart.begun
            await ward.tend(300)
            assert 1 <= begun <= 10
            assert cart.begun == begun
            assert cart.told == 1

        self.follow(story)

    def test_before_anything_has_happened_nothing_is_open(self) -> None:
        async def story(ward: Ward) -> None:
            recovery = await ward.healer.verify_recovery("cart")
            assert (recovery.is_over, recovery.incident, recovery.outcome) == (True, "", "")
            assert (await ward.healer.select_response("cart")).action == ""

        self.follow(story)

    # --- learn_from_incident ------------------------------------------------------------------

    def test_an_incident_is_learned_from_at_most_once(self) -> None:
        async def story(ward: Ward) -> None:
            record = an_experience()
            first = await ward.healer.learn_from_incident([record])
            again = await ward.healer.learn_from_incident([record])
            assert first.learned in (0, 1)
            assert again.learned == 0
            assert again.reason

        self.follow(story)

    def test_what_it_has_seen_itself_teaches_nothing_again(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            await ward.healer.apply_response(await ward.until_chosen())
            recovery = await ward.until_over()
            lesson = await ward.healer.learn_from_incident(recovery.experience)
            assert lesson.learned == 0

        self.follow(story)

    # --- get_health_status --------------------------------------------------------------------

    def test_health_tells_of_each_and_of_the_whole(self) -> None:
        async def story(ward: Ward) -> None:
            for _ in range(3):
                for name in ward.patients:
                    await ward.feed(name)
                await asyncio.sleep(1.0)
            health = await ward.healer.get_health_status()
            assert dict(health.components) == dict.fromkeys(ward.patients, "healthy")
            assert (health.status, dict(health.incidents)) == ("healthy", {})
            ward["cart"].crash()
            detection = await ward.until_ill()
            health = await ward.healer.get_health_status()
            assert health.components["cart"] == "sick"
            assert health.status != "healthy"
            assert dict(health.incidents) == {"cart": detection.incident}

        self.follow(story, Patient("cart"), Patient("web"), Patient("db"))

    def test_asking_changes_nothing(self) -> None:
        async def story(ward: Ward) -> None:
            ward["cart"].crash()
            response = await ward.until_chosen()
            for _ in range(20):
                await ward.healer.get_health_status()
                await ward.healer.verify_recovery("cart")
            assert await ward.healer.select_response("cart") == response
            assert ward["cart"].begun <= 1

        self.follow(story)
