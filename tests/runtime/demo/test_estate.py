"""The estate says what a user's own configuration would say, on ports that are free."""

import socket
import stat
from pathlib import Path

from mendel.runtime.demo.estate import COMPONENTS, THRESHOLDS, build_estate, free_ports
from mendel.runtime.demo.illness import FaultOrder
from mendel.runtime.specs import ActionSpec, ProbeSpec, Secret


class TestEstate:
    def test_each_service_knows_whom_it_calls(self, tmp_path: Path) -> None:
        estate = build_estate(tmp_path, parent=42)

        cart = next(each for each in estate.specs if each.name == "cart")

        assert cart.process is not None
        assert cart.process.exec[1:] == (
            *("-m", "mendel.runtime.demo.service", "--name", "cart"),
            *("--port", estate.urls["cart"].rsplit(":", 1)[1]),
            *("--calls", f"db={estate.urls['db']}"),
            *("--calls", f"payment={estate.urls['payment']}"),
            *("--calls", f"catalog={estate.urls['catalog']}"),
            *("--boot-s", "1.5", "--parent", "42"),
        )

    def test_each_is_looked_at_from_outside_and_from_inside(self, tmp_path: Path) -> None:
        estate = build_estate(tmp_path)

        assert [each.probes for each in estate.specs] == [
            (
                ProbeSpec(http=f"{url}/health", every_s=0.5, timeout_s=0.7),
                ProbeSpec(process=True, every_s=0.25),
            )
            for url in estate.urls.values()
        ]

    def test_a_service_is_isolated_at_its_caller(self, tmp_path: Path) -> None:
        estate = build_estate(tmp_path)
        db = next(each for each in estate.specs if each.name == "db")

        assert db.actions["isolate"] == ActionSpec(
            webhook=f"{estate.urls['cart']}/circuit",
            headers={
                "x-demo-token": Secret(file=str(tmp_path / "token")),
                "Content-Type": "application/json",
            },
            body='{"dependency":"db","state":"open"}',
            timeout_s=1.0,
            settle_s=0.0,
            disruptive=False,
            undo="release",
        )
        assert db.actions["release"].body == '{"dependency":"db","state":"closed"}'

    def test_nobody_calls_web_so_it_is_never_isolated(self, tmp_path: Path) -> None:
        web = build_estate(tmp_path).specs[0]

        assert (web.name, set(web.actions)) == ("web", {"restart"})

    def test_the_token_is_new_each_time_and_for_its_owner_only(self, tmp_path: Path) -> None:
        first, second = build_estate(tmp_path), build_estate(tmp_path)

        assert first.token != second.token
        assert (tmp_path / "token").read_text() == second.token
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert second.token not in repr(second.specs)

    def test_a_leak_goes_well_past_the_limit_of_memory(self) -> None:
        limit_bytes = THRESHOLDS["memory_bytes"].above

        assert limit_bytes is not None
        assert FaultOrder(symptom="leak").leak_bytes_max >= 1.5 * limit_bytes


def test_free_ports_are_different_and_can_be_taken() -> None:
    ports = free_ports(len(COMPONENTS))

    assert len(set(ports)) == 5
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
