"""What is drafted of services is a configuration that can be run."""

from __future__ import annotations

from pathlib import Path

import pytest
from mendel.errors import ConfigError
from mendel.runtime.config import Config, parse
from mendel.runtime.survey import Service, draft, read_foreign
from mendel.runtime.survey.services import name_of, untangled

DB = Service(name="db", kind="database", address="127.0.0.1:5432", unit="postgresql")
SHOP = Service(name="shop", kind="api", address="127.0.0.1:80", path="/health", needs=("db",))
WORKER = Service(name="worker", kind="worker", command=("python3", "work it.py"))


def drafted(*services: Service) -> Config:
    return parse(draft(services, title="a draft"), "draft.toml").config


def test_it_only_watches_until_a_person_says_otherwise() -> None:
    assert drafted(DB).policy.mode == "observe"


def test_each_is_looked_at_and_restarted_as_it_can_be() -> None:
    db, shop, worker = drafted(DB, SHOP, WORKER).components

    assert db.probes[0].tcp == "127.0.0.1:5432"
    assert db.actions["restart"].exec == ("systemctl", "restart", "postgresql")
    assert shop.probes[0].http == "http://127.0.0.1:80/health"
    assert shop.depends_on == ("db",)
    assert shop.actions == {}  # Nobody knows how; the text says so.
    assert worker.process is not None
    assert worker.process.exec == ("python3", "work it.py")


def test_a_unit_that_listens_nowhere_is_asked_for_by_systemd() -> None:
    (found,) = drafted(Service(name="cron", unit="cron")).components

    assert found.probes[0].exec == ("systemctl", "is-active", "--quiet", "cron")


def test_without_services_two_examples_stand_there() -> None:
    assert [each.name for each in drafted().components] == ["db", "shop"]


def test_a_circle_of_needs_is_cut() -> None:
    circle = [Service(name="a", needs=("b", "gone")), Service(name="b", needs=("a",))]

    assert [each.needs for each in untangled(circle)] == [("b",), ()]


@pytest.mark.parametrize(
    ("text", "name"), [("My Shop (v2).service", "my-shop-v2"), ("...", "service"), ("a_b", "a_b")]
)
def test_names_are_made_fit(text: str, name: str) -> None:
    assert name_of(text) == name


class TestForeignFiles:
    def read(self, folder: Path, **files: str) -> tuple[Service, ...]:
        paths = []
        for name, text in files.items():
            path = folder / name.replace("__", ".")
            path.write_text(text)
            paths.append(path)
        return read_foreign(paths)

    def test_a_procfile_becomes_processes_that_mendel_runs(self, tmp_path: Path) -> None:
        text = "# ours\nweb: python3 web.py --name 'a b'\nmail_worker: run $PORT | tee log\n"

        web, worker = self.read(tmp_path, Procfile=text)

        assert web.command == ("python3", "web.py", "--name", "a b")
        assert worker.kind == "worker"
        assert worker.command == ("sh", "-c", "run $PORT | tee log")
        assert len(drafted(web, worker).components) == 2

    def test_a_variable_is_left_to_a_shell_that_makes_room(self, tmp_path: Path) -> None:
        (web,) = self.read(tmp_path, Procfile="web: serve --port $PORT")

        assert web.command == ("sh", "-c", "exec serve --port $PORT")

    def test_units_of_systemd_need_each_other(self, tmp_path: Path) -> None:
        shop = (
            "[Unit]\nDescription=The shop\nWants=network-online.target db.service\n"
            "Requires=\\\n  db.service gone.service\n[Service]\nExecStart=/usr/bin/shop\n"
        )

        db, found = self.read(
            tmp_path, db__service="[Service]\nExecStart=/usr/bin/db", shop__service=shop
        )

        assert (found.name, found.unit, found.needs) == ("shop", "shop", ("db",))
        assert found.found == "The shop"
        assert db.needs == ()
        assert drafted(db, found).components[1].depends_on == ("db",)

    def test_an_empty_value_of_systemd_begins_anew(self, tmp_path: Path) -> None:
        text = "[Unit]\nWants=a.service\nWants=\nWants=b.service\n[Service]\nExecStart=x\n"

        (found, *_) = self.read(
            tmp_path,
            shop__service=text,
            a__service="[Service]\nType=simple",
            b__service="[Service]\nType=simple",
        )

        assert found.needs == ("b",)

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("Procfile", "web python3", r"Procfile:1: found 'web python3', expected NAME: COMMAND"),
            ("Procfile", "# nothing", "starts nothing"),
            ("Procfile", "web: echo 'x", r"Procfile:1: .* cannot be split into words"),
            ("Procfile", "web: a\nWeb: b", "a second service is called 'web'"),
            ("shop.timer", "[Timer]", "a Procfile or a NAME.service of systemd can be read"),
            ("shop.service", "[Unit]\nDescription=x", r"has no \[Service\]"),
        ],
    )
    def test_what_cannot_be_read_is_told(
        self, tmp_path: Path, name: str, text: str, told: str
    ) -> None:
        (tmp_path / name).write_text(text)

        with pytest.raises(ConfigError, match=told):
            read_foreign([tmp_path / name])
