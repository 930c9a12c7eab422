"""Supervision of real tasks, in virtual time."""

import asyncio
import contextvars
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from mendel.core.restarts import ChildSpec, SupervisorSpec
from mendel.errors import ConfigError, GaveUp
from mendel.runtime.supervision import ChildStatus, Crashed, Event, Factory, Started, Stopped
from mendel.runtime.supervisor import Supervisor
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time

cause: contextvars.ContextVar[str] = contextvars.ContextVar("cause", default="none")


class Life:
    """One life of a child; the test decides its fate."""

    def __init__(self, stage: "Stage", name: str, clean_up_s: float) -> None:
        self.stage = stage
        self.name = name
        self.clean_up_s = clean_up_s
        self.fate = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[Any] | None = None
        self.cause = ""

    async def run(self) -> None:
        self.task = asyncio.current_task()
        self.cause = cause.get()
        assert self.name not in self.stage.alive, f"{self.name} lives twice"
        self.stage.alive[self.name] = self
        try:
            await self.fate
        finally:
            try:
                await asyncio.sleep(self.clean_up_s)
            finally:
                del self.stage.alive[self.name]

    def crash(self, error: Exception | None = None) -> None:
        if not self.fate.done():
            self.fate.set_exception(error or LookupError("lost"))

    def finish(self) -> None:
        self.fate.set_result(None)

    def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()


class Hanging:
    """A child that does not stop before it is let go."""

    def __init__(self, let_go: asyncio.Event) -> None:
        self.let_go = let_go

    async def run(self) -> None:
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()


class Stage:
    """Children, and what their supervisors told about them."""

    def __init__(self) -> None:
        self.alive: dict[str, Life] = {}
        self.events: list[Event] = []
        self.let_go = asyncio.Event()

    def child(
        self, name: str, restart: Any = "permanent", *, clean_up_s: float = 0.0
    ) -> tuple[ChildSpec, Factory]:
        return ChildSpec(name=name, restart=restart), lambda: Life(self, name, clean_up_s)

    def hanging(self, name: str) -> tuple[ChildSpec, Factory]:
        return ChildSpec(name=name), lambda: Hanging(self.let_go)

    def supervisor(
        self, *children: tuple[ChildSpec, Factory], name: str = "top", **changes: Any
    ) -> Supervisor:
        spec = SupervisorSpec(
            **{"first_delay_s": 1.0, "max_delay_s": 8.0, "jitter_share": 0.0, **changes}
        )
        rng = random.Random(1)
        return Supervisor(name, spec, children, rng=rng, on_event=self.events.append)

    @asynccontextmanager
    async def supervised(
        self, *children: tuple[ChildSpec, Factory], **changes: Any
    ) -> AsyncIterator[Supervisor]:
        """A running supervisor whose children have started; it is stopped at the end."""
        supervisor = self.supervisor(*children, **changes)
        task = asyncio.create_task(supervisor.run())
        await settle()
        try:
            yield supervisor
        finally:
            await stop(task)

    def told(self) -> list[str]:
        """Events since the last call, short: ``+a`` started, ``!a`` crashed, ``-a`` stopped."""
        signs = {Started: "+", Crashed: "!", Stopped: "-"}
        told = [signs[type(event)] + event.child for event in self.events]
        self.events.clear()
        return told


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def now_s() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def stage() -> Stage:
    return Stage()


class TestOrder:
    async def test_children_start_in_order_and_stop_in_reverse(self, stage: Stage) -> None:
        async with stage.supervised(*map(stage.child, "abc")):
            assert list(stage.alive) == ["a", "b", "c"]

        assert stage.told() == ["+a", "+b", "+c", "-c", "-b", "-a"]
        assert stage.alive == {}

    async def test_each_is_stopped_before_the_one_that_it_may_rely_on(self, stage: Stage) -> None:
        async with stage.supervised(
            *(stage.child(name, clean_up_s=0.2) for name in "abc"), shutdown_s=1.0
        ):
            pass

        stopped = [event for event in stage.events if isinstance(event, Stopped)]
        assert [(event.child, round(event.at_s, 3)) for event in stopped] == [
            ("c", 0.2),
            ("b", 0.4),
            ("a", 0.6),
        ]


class TestRestart:
    async def test_a_crashed_child_gets_a_fresh_life_after_its_pause(self, stage: Stage) -> None:
        error = LookupError("lost")
        async with stage.supervised(stage.child("a")) as supervisor:
            first = stage.alive["a"]

            first.crash(error)
            await asyncio.sleep(0.5)
            waiting = supervisor.status()
            await asyncio.sleep(0.5)
            await settle()

            assert stage.events == [
                Started("top", "a", restarts=0, at_s=0.0),
                Crashed("top", "a", "LookupError: lost", "restart in 1 s", 0.0, error),
                Started("top", "a", restarts=1, at_s=1.0),
            ]
            assert waiting == (ChildStatus("a", "waiting", 0, "LookupError: lost"),)
            assert supervisor.status() == (ChildStatus("a", "running", 1, "LookupError: lost"),)
            assert stage.alive["a"] is not first

    @pytest.mark.parametrize(("deed", "error"), [("kill", "killed"), ("finish", "returned")])
    async def test_a_permanent_child_comes_back_however_it_ends(
        self, stage: Stage, deed: str, error: str
    ) -> None:
        async with stage.supervised(stage.child("a")):
            getattr(stage.alive["a"], deed)()
            await asyncio.sleep(2.0)

            assert stage.events[1] == Crashed("top", "a", error, "restart in 1 s", 0.0)
            assert list(stage.alive) == ["a"]

    async def test_a_factory_that_fails_is_tried_again(self, stage: Stage) -> None:
        spec, factory = stage.child("a")
        troubles = [OSError("no room"), OSError("no room")]

        def build() -> Any:
            if troubles:
                raise troubles.pop()
            return factory()

        async with stage.supervised((spec, build)):
            await asyncio.sleep(5.0)

            assert stage.told() == ["+a", "!a", "+a", "!a", "+a"]
            assert list(stage.alive) == ["a"]

    async def test_transient_and_temporary_children_may_end(self, stage: Stage) -> None:
        children = [stage.child("worker", "transient"), stage.child("job", "temporary")]
        async with stage.supervised(*children, stage.child("task", "temporary")) as supervisor:
            stage.alive["worker"].finish()
            stage.alive["job"].finish()
            stage.alive["task"].crash()
            await asyncio.sleep(60.0)

            assert stage.told() == ["+worker", "+job", "+task", "-worker", "-job", "!task"]
            assert supervisor.status() == (ChildStatus("worker", "ended", 0, "returned"),)

    async def test_being_killed_is_not_to_end_as_planned(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("worker", "transient")):
            stage.alive["worker"].kill()
            await asyncio.sleep(2.0)

            assert stage.told() == ["+worker", "!worker", "+worker"]

    async def test_a_failing_listener_changes_nothing(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        def listen(event: Event) -> None:
            raise ValueError("deaf")

        spec = SupervisorSpec()
        supervisor = Supervisor(
            "top", spec, [stage.child("a")], rng=random.Random(1), on_event=listen
        )
        task = asyncio.create_task(supervisor.run())
        await settle()
        stage.alive["a"].crash()
        await asyncio.sleep(1.0)

        assert list(stage.alive) == ["a"]
        await stop(task)
        assert "the listener of supervisor 'top' failed" in caplog.text


class TestStrategies:
    @pytest.mark.parametrize(
        ("strategy", "told"),
        [
            ("one_for_one", ["!b", "+b"]),
            ("one_for_all", ["!b", "-d", "-c", "-a", "+a", "+b", "+c"]),
            ("rest_for_one", ["!b", "-d", "-c", "+b", "+c"]),
        ],
    )
    async def test_restart_those_that_they_say_and_leave_the_others_alone(
        self, stage: Stage, strategy: str, told: list[str]
    ) -> None:
        children = [*map(stage.child, "abc"), stage.child("d", "temporary")]
        async with stage.supervised(*children, strategy=strategy) as supervisor:
            before = dict(stage.alive)
            stage.told()

            stage.alive["b"].crash()
            await asyncio.sleep(5.0)

            assert stage.told() == told
            untouched = {name for name in before if stage.alive.get(name) is before[name]}
            assert untouched == set("abcd") - {entry[1] for entry in told}
            assert {child.name for child in supervisor.status()} == set(stage.alive)

    async def test_two_that_crash_at_once_are_restarted_once(self, stage: Stage) -> None:
        async with stage.supervised(*map(stage.child, "abc"), strategy="one_for_all"):
            stage.told()

            stage.alive["b"].crash()
            stage.alive["c"].crash(KeyError("also"))
            await asyncio.sleep(5.0)

            stopped = stage.events[1]
            assert isinstance(stopped, Stopped)
            assert stopped.reason == "restarted with b; it failed meanwhile: KeyError: 'also'"
            assert stage.told() == ["!b", "-c", "-a", "+a", "+b", "+c"]

    async def test_a_later_crash_takes_over_a_restart_that_waits(self, stage: Stage) -> None:
        async with stage.supervised(*map(stage.child, "abc"), strategy="rest_for_one"):
            stage.told()

            stage.alive["b"].crash()
            await asyncio.sleep(0.7)
            stage.alive["a"].crash()
            await asyncio.sleep(0.9)
            assert stage.told() == ["!b", "-c", "!a"]
            await asyncio.sleep(0.2)

            assert stage.told() == ["+a", "+b", "+c"]


class TestEscalation:
    async def test_giving_up_stops_all_children_and_fails(self, stage: Stage) -> None:
        supervisor = stage.supervisor(*map(stage.child, "abc"), max_restarts=1)
        task = asyncio.create_task(supervisor.run())
        await settle()
        stage.alive["b"].crash()
        await asyncio.sleep(1.5)
        stage.told()
        error = LookupError("again")

        stage.alive["b"].crash(error)

        with pytest.raises(GaveUp, match="supervisor 'top' gave up on 'b': 2 restarts") as gave_up:
            await task
        assert gave_up.value.__cause__ is error
        assert stage.told() == ["!b", "-c", "-a"]
        assert stage.alive == {}

    async def test_a_nested_supervisor_is_restarted_with_fresh_children(self, stage: Stage) -> None:
        inner = (
            ChildSpec(name="inner"),
            lambda: stage.supervisor(*map(stage.child, "ab"), name="inner", max_restarts=0),
        )
        async with stage.supervised(stage.child("other"), inner):
            other, neighbour = stage.alive["other"], stage.alive["b"]
            stage.told()

            stage.alive["a"].crash()
            await asyncio.sleep(5.0)

            assert stage.told() == ["!a", "-b", "!inner", "+inner", "+a", "+b"]
            assert stage.alive["other"] is other
            assert stage.alive["b"] is not neighbour

    async def test_crosses_every_level(self, stage: Stage) -> None:
        def level(name: str, child: tuple[ChildSpec, Factory]) -> tuple[ChildSpec, Factory]:
            spec = ChildSpec(name=name)
            return spec, lambda: stage.supervisor(child, name=name, max_restarts=0)

        _, top = level("top", level("middle", level("low", stage.child("a"))))
        task = asyncio.create_task(top().run())
        await settle()

        stage.alive["a"].crash()

        with pytest.raises(GaveUp, match="'top' gave up on 'middle'") as gave_up:
            await task
        causes: list[BaseException] = [gave_up.value]
        while causes[-1].__cause__ is not None:
            causes.append(causes[-1].__cause__)
        assert [type(each) for each in causes] == [GaveUp, GaveUp, GaveUp, LookupError]


class TestShutdown:
    async def test_ten_children_that_hang_delay_it_by_less_than_two_seconds(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = [f"hanging-{number}" for number in range(10)]
        supervisor = stage.supervisor(stage.child("good"), *map(stage.hanging, names))
        task = asyncio.create_task(supervisor.run())
        await settle()

        await stop(task)

        assert now_s() == 1.5
        stopped = {e.child: e.left_behind for e in stage.events if isinstance(e, Stopped)}
        assert stopped == {"good": False, **dict.fromkeys(names, True)}
        assert "left behind, it does not stop: task 'top/hanging-9' waits in" in caplog.text
        assert "Hanging.run (test_supervisor.py:" in caplog.text

        stage.let_go.set()
        with caplog.at_level(logging.WARNING):
            await settle()
        assert "top/hanging-9, which was left behind, ended: returned" in caplog.text

    async def test_a_clean_up_gets_its_time_and_is_not_broken_off(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("a", clean_up_s=0.4), strategy="one_for_all"):
            pass

        assert now_s() == 0.4
        assert stage.alive == {}

    async def test_in_the_middle_of_a_restart_waits_for_what_already_stops(
        self, stage: Stage
    ) -> None:
        children = [stage.child("a", clean_up_s=0.3), stage.child("b")]
        supervisor = stage.supervisor(*children, strategy="one_for_all")
        task = asyncio.create_task(supervisor.run())
        await settle()
        stage.alive["b"].crash()
        await asyncio.sleep(0.1)

        await stop(task)

        assert now_s() == pytest.approx(0.3)
        assert stage.told() == ["+a", "+b", "!b", "-a"]
        assert stage.alive == {}

    async def test_a_second_cancellation_ends_it_at_once(self, stage: Stage) -> None:
        supervisor = stage.supervisor(stage.child("a"), stage.hanging("b"), stage.hanging("c"))
        task = asyncio.create_task(supervisor.run())
        await settle()
        task.cancel()
        await asyncio.sleep(0.1)

        await stop(task)

        assert now_s() == 0.1
        left = {e.child for e in stage.events if isinstance(e, Stopped) and e.left_behind}
        assert left == {"a", "b", "c"}
        stage.let_go.set()
        await settle()
        assert stage.alive == {}  # It was asked to stop, if not waited for.

    async def test_who_is_added_meanwhile_does_not_start(self, stage: Stage) -> None:
        supervisor = stage.supervisor(stage.child("a", clean_up_s=0.3))
        task = asyncio.create_task(supervisor.run())
        await settle()
        task.cancel()
        await settle()

        supervisor.add(*stage.child("b"))
        await asyncio.wait([task])

        assert stage.told() == ["+a", "-a"]
        assert stage.alive == {}

    async def test_nothing_starts_any_more(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("a")):
            stage.alive["a"].crash()
            await settle()

        await asyncio.sleep(60.0)

        assert stage.told() == ["+a", "!a"]


class TestAddAndRemove:
    async def test_while_running(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("a")) as supervisor:
            supervisor.add(*stage.child("b"))
            await settle()
            assert list(stage.alive) == ["a", "b"]

            await supervisor.remove("a")
            await supervisor.remove("nobody")

            assert list(stage.alive) == ["b"]
            assert stage.told() == ["+a", "+b", "-a"]
            supervisor.add(*stage.child("a"))
            await settle()
            assert sorted(stage.alive) == ["a", "b"]

    async def test_an_added_child_is_supervised(self, stage: Stage) -> None:
        async with stage.supervised() as supervisor:
            supervisor.add(*stage.child("a"))
            await settle()
            stage.alive["a"].crash()
            await asyncio.sleep(2.0)

            assert list(stage.alive) == ["a"]

    async def test_a_name_is_given_once(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("a")) as supervisor:
            with pytest.raises(ConfigError, match="there is a child 'a' already"):
                supervisor.add(*stage.child("a"))

        with pytest.raises(ConfigError, match="there is a child 'b' already"):
            stage.supervisor(stage.child("b"), stage.child("b"))

    async def test_a_removed_child_is_not_restarted(self, stage: Stage) -> None:
        async with stage.supervised(stage.child("a"), stage.child("b")) as supervisor:
            stage.alive["a"].crash()
            await settle()

            await supervisor.remove("a")
            await asyncio.sleep(60.0)

            assert list(stage.alive) == ["b"]

    async def test_a_child_removed_while_its_group_stops_stays_away(self, stage: Stage) -> None:
        children = [stage.child("a"), stage.child("b", clean_up_s=0.3), stage.child("c")]
        async with stage.supervised(*children, strategy="one_for_all") as supervisor:
            stage.alive["c"].crash()
            await asyncio.sleep(0.1)

            await supervisor.remove("b")
            supervisor.add(*stage.child("b"))
            await asyncio.sleep(5.0)

            assert stage.told() == ["+a", "+b", "+c", "!c", "-b", "+b", "-a", "+a", "+c"]

    async def test_an_added_child_does_not_inherit_the_context_of_who_added_it(
        self, stage: Stage
    ) -> None:
        async with stage.supervised() as supervisor:
            cause.set("a message")
            supervisor.add(*stage.child("a"))
            await settle()

            assert stage.alive["a"].cause == "none"


class TestAnyMoment:
    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
    async def test_whoever_is_killed_whenever_all_are_back_in_the_end(
        self, stage: Stage, strategy: str, seed: int
    ) -> None:
        rng = random.Random(seed)
        spec: Sequence[tuple[ChildSpec, Factory]] = [
            stage.child(name, clean_up_s=rng.choice([0.0, 0.0, 0.3])) for name in "abcde"
        ]
        inner = (
            ChildSpec(name="inner", shutdown_s=2.0),
            lambda: stage.supervisor(*spec[3:], name="inner", max_restarts=2, strategy=strategy),
        )
        async with stage.supervised(
            *spec[:3], inner, max_restarts=1000, strategy=strategy, jitter_share=0.5
        ):
            for _ in range(100):
                if stage.alive:
                    victim = stage.alive[rng.choice(sorted(stage.alive))]
                    rng.choice([victim.kill, victim.kill, victim.crash])()
                await asyncio.sleep(rng.choice([0.0, 0.0, 0.05, 1.0, 3.0]))
            await asyncio.sleep(60.0)

            assert sorted(stage.alive) == ["a", "b", "c", "d", "e"]
        assert stage.alive == {}
        errors = {event.error for event in stage.events if isinstance(event, Crashed)}
        assert errors & {"killed", "LookupError: lost"}
        assert {error for error in errors if "lives twice" in error} == set()
