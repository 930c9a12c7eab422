import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mendel.agents.ports import Sample
from mendel.errors import NoData
from mendel.runtime.specs import ProbeSpec
from mendel.runtime.world.probes import (
    METRICS,
    ExecProbe,
    HeartbeatProbe,
    TcpProbe,
    usable_metrics,
)

Make = Callable[..., Any]  # A fixture that makes what a test needs.


def without_latency(sample: Sample) -> tuple[dict[str, float], str]:
    return {k: v for k, v in sample.metrics.items() if k != "latency_s"}, sample.detail


class TestTcpProbe:
    async def test_an_open_port_answers(self, serve: Make, silent: Make) -> None:
        sample = await a_tcp_probe(f"127.0.0.1:{await serve(silent)}").read()

        assert without_latency(sample) == ({"reachable": 1.0, "answered": 1.0}, "")
        assert 0.0 < sample.metrics["latency_s"] < 0.8

    async def test_a_closed_port_refuses(self, free_port: int) -> None:
        refused = ({"reachable": 0.0, "answered": 0.0}, "connection refused")

        for host in ("127.0.0.1", "localhost"):
            assert without_latency(await a_tcp_probe(f"{host}:{free_port}").read()) == refused

    async def test_a_name_that_does_not_resolve_is_told(self) -> None:
        sample = await a_tcp_probe("no-such-host.invalid:80", timeout_s=5.0).read()

        assert sample == Sample(
            {"reachable": 0.0, "answered": 0.0},
            "DNS: the name 'no-such-host.invalid' does not resolve",
        )

    async def test_when_connecting_takes_too_long_reachability_is_unknown(self) -> None:
        import socket

        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for knocking in (first, second):
                knocking.setblocking(False)
                knocking.connect_ex(listener.getsockname())
            probe = a_tcp_probe(f"127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.05)

            assert await probe.read() == Sample({"answered": 0.0}, "no connection within 0.05 s")


class TestExecProbe:
    async def test_what_the_command_prints_becomes_metrics(self, tmp_path: Path) -> None:
        script = "echo queue_items=17; echo 'just talk'; echo bad=text; echo nan=nan; echo ok=7"

        sample = await an_exec_probe(tmp_path, "sh", "-c", script).read()

        assert without_latency(sample) == ({"queue_items": 17.0, "ok": 1.0}, "")
        assert sample.metrics["latency_s"] > 0.0

    async def test_an_exit_status_is_told_with_the_last_line(self, tmp_path: Path) -> None:
        sample = await an_exec_probe(
            tmp_path, "sh", "-c", "echo a; echo no disk >&2; exit 3"
        ).read()

        assert without_latency(sample) == ({"ok": 0.0}, "exited with status 3: no disk")

    async def test_a_command_that_takes_too_long_is_killed_with_all_it_started(
        self, tmp_path: Path, living: Make
    ) -> None:
        probe = an_exec_probe(tmp_path, "sh", "-c", "sleep 711 & sleep 712", timeout_s=0.1)

        sample = await probe.read()

        assert sample.metrics["ok"] == 0.0
        assert sample.detail.startswith("no end within 0.1 s")
        assert living("sleep 71") == []

    async def test_what_it_leaves_in_the_background_is_ended(
        self, tmp_path: Path, living: Make
    ) -> None:
        await an_exec_probe(tmp_path, "sh", "-c", "sleep 721 & echo done").read()

        assert living("sleep 721") == []

    async def test_a_missing_command_is_no_data(self, tmp_path: Path) -> None:
        with pytest.raises(NoData, match="command 'no-such-command-of-ours' was not found"):
            await an_exec_probe(tmp_path, "no-such-command-of-ours").read()

    async def test_it_is_told_its_target_and_runs_beside_the_configuration(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "value").write_text("here=1\n")

        sample = await an_exec_probe(
            tmp_path, "sh", "-c", 'cat value; echo "$MENDEL_TARGET=2"'
        ).read()

        assert sample.metrics["here"] == 1.0
        assert sample.metrics["cart"] == 2.0


class TestHeartbeatProbe:
    @pytest.mark.virtual_time
    async def test_the_newest_report_is_the_sample(self) -> None:
        probe = HeartbeatProbe("cart", "heartbeat", ProbeSpec(heartbeat_s=2.0))
        probe.beat({"queue_items": 1.0})
        probe.beat({"queue_items": 2.0, "bad name": 1.0, "endless": float("inf")})

        assert probe.read() == Sample({"queue_items": 2.0, "answered": 1.0})

    @pytest.mark.virtual_time
    async def test_who_has_reported_once_and_is_overdue_does_not_answer(self) -> None:
        probe = HeartbeatProbe("cart", "heartbeat", ProbeSpec(heartbeat_s=2.0))
        with pytest.raises(NoData, match="no heartbeat from 'cart' yet; expected every 2 s"):
            probe.read()
        probe.beat({})
        await asyncio.sleep(2.5)
        assert probe.read() == Sample(
            {"answered": 0.0}, "no heartbeat for 2.5 s; expected every 2 s"
        )

        probe.beat({})

        assert probe.read() == Sample({"answered": 1.0})


def test_a_flood_of_metrics_is_cut() -> None:
    flood = usable_metrics((f"m{number}", 1.0) for number in range(1000))

    assert len(flood) == METRICS


def a_tcp_probe(address: str, timeout_s: float = 0.8) -> TcpProbe:
    return TcpProbe("cart", "tcp", ProbeSpec(tcp=address, timeout_s=timeout_s))


def an_exec_probe(base: Path, *command: str, timeout_s: float = 5.0) -> ExecProbe:
    return ExecProbe("cart", "exec", ProbeSpec(exec=command, timeout_s=timeout_s), base=base)
