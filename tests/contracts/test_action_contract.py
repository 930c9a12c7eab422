"""Our own actions keep the contract for actions; a new one joins the list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from mendel.agents.ports import Action
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProcessSpec, Secret
from mendel.runtime.world import RealWorld
from mendel.scenarios.contracts.base import demand
from mendel.scenarios.testing import ActionContract
from msgspec import structs
from patients import filled, ports

NAME = "act"


@asynccontextmanager
async def an_action(template: ActionSpec, timeout_s: float) -> AsyncIterator[Action]:
    """An action in a world that is entered; {ok} and {mute} are local servers."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with ports() as places:
            spec = structs.replace(
                filled(template, **places), timeout_s=timeout_s, settle_s=1.5, undo="back"
            )
            component = ComponentSpec(
                name="cart", process=ProcessSpec(exec=("sleep", "606")), actions={NAME: spec}
            )
            async with RealWorld([component], state=folder / ".mendel", base=folder) as world:
                yield world.actions("cart")[NAME]


class OurAction(ActionContract):
    """One that works and one that does not, of one kind."""

    works: ClassVar[ActionSpec]
    fails: ClassVar[ActionSpec | None] = None

    def working(self) -> AbstractAsyncContextManager[Action]:
        return an_action(self.works, 10.0)  # However busy the machine is.

    def failing(self) -> AbstractAsyncContextManager[Action] | None:
        return an_action(self.fails, 0.2) if self.fails is not None else None

    def test_it_says_what_was_configured(self) -> None:
        """And is called what the file calls it."""

        async def body() -> None:
            async with self.working() as action:
                facts = (action.name, action.timeout_s, action.settle_s, action.undo)
                demand(facts == (NAME, 10.0, 1.5, "back"), f"it says {facts}")

        self.run(body())


class TestRestart(OurAction):
    works = ActionSpec(process="restart")


class TestStop(OurAction):
    works = ActionSpec(process="stop")


class TestStart(OurAction):
    works = ActionSpec(process="start")
    is_needless = True  # It runs already.


class TestExec(OurAction):
    works = ActionSpec(exec=("true",))
    fails = ActionSpec(exec=("sh", "-c", "sleep 604 & sleep 605"))


class TestMissingCommand(OurAction):
    works = ActionSpec(exec=("true",))
    fails = ActionSpec(exec=("no-such-command-of-ours",))


class TestWebhook(OurAction):
    works = ActionSpec(webhook="http://127.0.0.1:{ok}/")
    fails = ActionSpec(webhook="http://127.0.0.1:{mute}/")


class TestNotify(OurAction):
    works = ActionSpec(notify="http://127.0.0.1:{ok}/")
    fails = ActionSpec(notify="http://127.0.0.1:{mute}/")


class TestNotifyByLog(OurAction):
    works = ActionSpec(notify="log")
    fails = ActionSpec(notify=Secret(env="NO_SUCH_VARIABLE_OF_OURS"))
