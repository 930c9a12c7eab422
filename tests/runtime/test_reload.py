"""The file of a running system, read again."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from mendel.bus.messages import ConfigChanged, ConfigRefused, LevelsChanged, Message
from mendel.errors import ConfigError
from mendel.genome.service import GenomeService
from mendel.runtime.config import Loaded, load
from mendel.runtime.farm import SystemFarm
from mendel.runtime.launch import DATABASE
from mendel.runtime.reload import Reloader
from mendel.runtime.store import Archive, Store
from mendel.runtime.store.entries import of_message
from mendel.runtime.system import System
from mendel.runtime.words import in_words
from mendel.runtime.world import RealWorld

M = TypeVar("M", bound=Message)
DB = """\
[[components]]
name = "db"
probes = [{ heartbeat = "1h", every = "10ms" }]
"""
CART = DB.replace('"db"', '"cart"')


class Desk:
    """A system with its file, and what it says."""

    def __init__(self, path: Path, system: System, reloader: Reloader) -> None:
        self.path = path
        self.system = system
        self.reloader = reloader
        self.stops = 0
        self.told: list[Message] = []
        system.bus.tap(lambda batch: self.told.extend(each.message for each in batch))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.01)  # Bounded: the file is looked at in real time.

    def of(self, kind: type[M]) -> list[M]:
        return [each for each in self.told if isinstance(each, kind)]


@asynccontextmanager
async def desk(folder: Path, text: str = DB, *settings: str) -> AsyncIterator[Desk]:
    path = folder / "mendel.toml"
    path.write_text(text)
    loaded: Loaded = load(path, environ={}, settings=settings)
    loaded.state.mkdir(exist_ok=True)
    async with Store(loaded.state / DATABASE) as store:
        store.note_config(loaded.document.text, source=str(path))
        world = RealWorld(loaded.config.components, state=loaded.state, base=loaded.base)
        farm = partial(SystemFarm, store=store.path)
        async with System(loaded.config, world, store, run=store.run, farm=farm) as system:
            stops: list[int] = []
            async with Reloader(system, loaded, store, on_stop=lambda: stops.append(1)) as reloader:
                found = Desk(path, system, reloader)
                yield found
                found.stops = len(stops)


def texts(folder: Path) -> list[tuple[str, str, str]]:
    async def ask() -> list[tuple[str, str, str]]:
        async with Archive(folder / ".mendel" / DATABASE) as archive:
            return [(each.who, each.why, each.source) for each in await archive.configs()]

    return asyncio.run(ask())


async def on_disk(archive: Archive) -> None:
    async with asyncio.timeout(10):
        while await archive.config(1) is None:
            await asyncio.sleep(0.01)  # Bounded: until it is on disk.


class TestReload:
    async def test_components_come_and_go(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            here.path.write_text(CART)

            changed = await here.reloader.reload(who="ada", reason="moved")

            assert changed.changes == ("components.db is gone", "components.cart is new")
            assert list(here.system.statuses()) == ["cart"]
            here.system.world.heartbeat("cart", {"ok": 1.0})
            await here.until(lambda: here.system.statuses()["cart"] == "healthy")

    async def test_a_mistake_changes_nothing_and_is_told_with_its_place(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with desk(tmp_path) as here:
            before = here.system.config
            here.path.write_text(f"{DB}kidn = 'api'\n\n[policy]\nmode = 'off'\n")

            with caplog.at_level(logging.ERROR), pytest.raises(ConfigError) as caught:
                await here.reloader.reload(who="ada")

            places = [(each.code, each.line) for each in caught.value.problems]
            assert places == [("MD101", 4), ("MD105", 7)]
            assert here.system.config is before
            assert here.reloader.loaded.config is before
            await here.until(lambda: here.of(ConfigRefused))
            assert here.of(ConfigChanged) == []
            assert "mendel.toml:7" in caplog.text

    @pytest.mark.parametrize(
        ("text", "code", "place"),
        [
            (f'[runtime]\nstate = "elsewhere"\n{DB}', "MD160", "runtime.state"),
            (f'[store]\nbusy = "9s"\n{DB}', "MD160", "store"),
            (f'agents = ["no_such_module:Agent"]\n{DB}', "MD126", "agents[0]"),
            (f"[agent.monitor]\nlooks = 3\n{DB}", "MD101", "agent.monitor.looks"),
        ],
    )
    async def test_what_cannot_be_is_refused_with_its_place(
        self, tmp_path: Path, text: str, code: str, place: str
    ) -> None:
        async with desk(tmp_path) as here:
            here.path.write_text(text)

            with pytest.raises(ConfigError) as caught:
                await here.reloader.reload(who="ada")

        assert [(each.code, each.place) for each in caught.value.problems] == [(code, place)]
        assert caught.value.problems[0].line > 0

    async def test_overrides_stay_laid_over_the_file(self, tmp_path: Path) -> None:
        async with desk(tmp_path, DB, "policy.mode=observe") as here:
            here.path.write_text(f"[policy]\nmode = 'recommend'\n{CART}")

            await here.reloader.reload(who="ada")

            assert here.system.config.policy.mode == "observe"

    async def test_a_file_that_is_gone_changes_nothing(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            here.path.unlink()

            with pytest.raises(ConfigError, match="no such file"):
                await here.reloader.reload(who="ada")


class TestLevelsByHand:
    async def test_hold_on_while_the_file_changes_other_things(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            await here.system.change_level("db", "full", who="ada", reason="it got busy")
            here.path.write_text(f"[policy]\nestate_actions = 7\n{DB}{CART}")
            changed = await here.reloader.reload(who="bob")

            assert here.system.parts.casebook.levels == {"db": "full", "cart": "basic"}
            assert here.system.config.policy.estate_actions == 7
            assert not [each for each in changed.changes if "level" in each]

    async def test_end_where_the_file_says_another_level_than_before(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            await here.system.change_level("db", "full")
            here.path.write_text(f'[defaults]\nlevel = "advanced"\n{DB}')
            await here.reloader.reload(who="bob")
            assert here.system.parts.casebook.levels == {"db": "advanced"}

            here.path.write_text(DB)
            await here.reloader.reload(who="bob")
            assert here.system.parts.casebook.levels == {"db": "basic"}

    async def test_end_with_their_component(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            await here.system.change_level("db", "full")
            for text in (CART, DB):
                here.path.write_text(text)
                await here.reloader.reload(who="bob")

            assert here.system.parts.casebook.levels == {"db": "basic"}

    async def test_that_evolve_begin_to_do_so(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            before = GenomeService.name in here.system.agents()
            await here.system.change_level("db", "full")
            await here.system.change_level("db", "basic")
            await here.system.change_level("db", "full")

            assert (before, GenomeService.name in here.system.agents()) == (False, True)

    async def test_are_told_with_who_and_why_and_are_on_record(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            await here.system.change_level("db", "full", who="ada", reason="it got busy")
            await here.until(lambda: here.of(LevelsChanged))

            (news,) = here.of(LevelsChanged)
            assert in_words(news) == "level changed by ada: db from basic to full: it got busy"
            entry = of_message(news, utc=1.0)
            assert entry is not None
            assert entry.audit is not None
            assert (entry.audit.kind, entry.audit.who) == ("levels_changed", "ada")


class TestHangUp:
    async def test_it_reads_the_file_again(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            here.path.write_text(CART)

            for _ in range(10):  # As many as there are: one at work and one that waits will do.
                here.reloader.hang_up()
            await here.until(lambda: "cart" in here.system.statuses())

    async def test_a_mistake_is_logged_and_nothing_else_happens(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            here.path.write_text("[[components]]\n")

            here.reloader.hang_up()
            await here.until(lambda: here.of(ConfigRefused))

            assert list(here.system.statuses()) == ["db"]

    async def test_where_it_is_switched_off_mendel_stops_as_for_other_signals(
        self, tmp_path: Path
    ) -> None:
        async with desk(tmp_path, f'[runtime]\nreload = "off"\n{DB}') as here:
            here.reloader.hang_up()

        assert here.stops == 1


class TestWatch:
    async def test_a_changed_file_is_taken_once_it_is_at_rest(self, tmp_path: Path) -> None:
        watch = '[runtime]\nreload = "watch"\n'
        async with desk(tmp_path, watch + DB) as here:
            here.path.write_text(watch + CART)
            os.utime(here.path, ns=(1, 1))  # However coarse the clock of the file system is.

            await here.until(lambda: here.of(ConfigChanged))

            assert list(here.system.statuses()) == ["cart"]
            assert [each.who for each in here.of(ConfigChanged)] == ["change of the file"]

    async def test_watching_can_be_switched_off_by_the_file_itself(self, tmp_path: Path) -> None:
        async with desk(tmp_path, f'[runtime]\nreload = "watch"\n{DB}') as here:
            here.path.write_text(f'[runtime]\nreload = "signal"\n{DB}')
            await here.reloader.reload(who="ada")

            assert here.system.config.runtime.reload == "signal"


class TestVersions:
    def test_each_that_came_into_force_is_kept_with_who_and_why(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with desk(tmp_path) as here:
                here.path.write_text(CART)
                await here.reloader.reload(who="ada", reason="moved")
                here.path.write_text("nonsense")
                with pytest.raises(ConfigError):
                    await here.reloader.reload(who="bob")

        asyncio.run(story())

        source = str(tmp_path / "mendel.toml")
        assert texts(tmp_path) == [("ada", "moved", source), ("mendel", "", source)]

    async def test_rolling_back_leaves_the_file_alone(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as here:
            here.path.write_text(CART)
            await here.reloader.reload(who="ada")
            async with Archive(tmp_path / ".mendel" / DATABASE) as archive:
                await on_disk(archive)
                changed = await here.reloader.roll_back(1, archive, who="ada", reason="oops")
                with pytest.raises(ConfigError, match="there is no version 9"):
                    await here.reloader.roll_back(9, archive, who="ada", reason="")

            assert (changed.source, changed.reason) == ("version 1", "oops")
            assert list(here.system.statuses()) == ["db"]
            assert here.path.read_text() == CART

    async def test_a_version_that_lost_its_secrets_is_not_put_into_force(
        self, tmp_path: Path
    ) -> None:
        hook = 'actions = { tell = { notify = "http://me:pw@127.0.0.1:1/x" } }\n'
        store = tmp_path / ".mendel" / DATABASE
        async with desk(tmp_path, DB + hook) as here, Archive(store) as archive:
            await on_disk(archive)

            with pytest.raises(ConfigError, match="had secrets in its text"):
                await here.reloader.roll_back(1, archive, who="ada", reason="")
