"""What a Prometheus reads of a runtime, and that a real one can."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from mendel.bus.messages import (
    ActionFinished,
    AgentCrashed,
    AnomalyDetected,
    GenomeDecided,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
)
from mendel.runtime.cli import main
from mendel.runtime.launch import launch
from mendel.runtime.system import System
from mendel.runtime.telemetry.meters import _OTHERS, TARGETS_MAX
from processes import free_port
from prometheus_client.parser import text_string_to_metric_families

CONFIG = """\
[web]
port = 0

[[components]]
name = "cart"
kind = "api"
probes = [{ heartbeat = "60s" }]
"""


@pytest_asyncio.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    (tmp_path / "mendel.toml").write_text(CONFIG)
    async with launch(tmp_path / "mendel.toml") as running:
        yield running


def samples(text: str) -> dict[str, float]:
    return {
        f"{each.name}{json.dumps(each.labels, sort_keys=True)}": each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def scraped(system: System) -> dict[str, float]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{system.url}/metrics") as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/plain"
        return samples(await response.text())


async def scraped_when(system: System, wanted: str) -> dict[str, float]:
    """What is read once something is counted; a tap is told in batches."""
    async with asyncio.timeout(20.0):
        while wanted not in (found := await scraped(system)):
            await asyncio.sleep(0.01)
    return found


async def test_what_stands_is_read_when_somebody_asks(system: System) -> None:
    found = await scraped(system)

    assert found['mendel_component_health{"component": "cart", "status": "unknown"}'] == 1.0
    assert found['mendel_component_health{"component": "cart", "status": "sick"}'] == 0.0
    assert found['mendel_agent_up{"agent": "monitor"}'] == 1.0
    assert found["mendel_approvals_waiting{}"] == 0.0
    assert found["process_resident_memory_bytes{}"] > 1e6


async def test_what_happens_is_counted(system: System) -> None:
    await system.bus.publish(
        IncidentOpened(target="x", incident="1-1", onset_s=1.0, opened_s=1.4, reason="ill")
    )
    await system.bus.publish(
        ActionFinished(
            target="x",
            intent="1-1.1",
            incident="1-1",
            action="restart",
            outcome="succeeded",
            detail="",
            duration_s=2.0,
            finished_s=4.0,
        )
    )
    await system.bus.publish(
        IncidentClosed(
            target="x",
            incident="1-1",
            outcome="healed",
            actions=("restart",),
            onset_s=1.0,
            opened_s=1.4,
            closed_s=9.0,
            reason="well",
        )
    )
    closed = 'mendel_incidents_closed_total{"outcome": "healed", "target": "x"}'
    found = await scraped_when(system, closed)

    assert found['mendel_incidents_opened_total{"target": "x"}'] == 1.0
    labels = '{"action": "restart", "outcome": "succeeded", "target": "x"}'
    assert found[f"mendel_actions_total{labels}"] == 1.0
    assert found["mendel_incident_detection_seconds_sum{}"] == pytest.approx(0.4)
    assert found['mendel_incident_recovery_seconds_sum{"outcome": "healed"}'] == 8.0


async def test_the_rest_of_what_is_counted(system: System) -> None:
    anomaly = AnomalyDetected(
        target="x", metric="ok", value=0.0, score=2.0, onset_s=1.0, detected_s=2.0, reason=""
    )
    await system.bus.publish(anomaly)
    await system.bus.publish(
        IncidentEscalated(target="y", incident="9-1", reason="", escalated_s=3.0)
    )
    await system.bus.publish(GenomeDecided(decision="drifted", genome=3, reason="", decided_s=4.0))
    await system.bus.publish(AgentCrashed(agent="a", error="e", verdict="restart", crashed_s=1.0))

    found = await scraped_when(system, 'mendel_agent_crashes_total{"agent": "a"}')

    assert found['mendel_anomalies_total{"target": "x"}'] == 1.0
    assert found['mendel_incidents_escalated_total{"target": "y"}'] == 1.0
    assert found['mendel_genomes_total{"decision": "drifted"}'] == 1.0


async def test_targets_that_are_made_up_do_not_fill_the_memory(system: System) -> None:
    for number in range(TARGETS_MAX + 3):
        await system.bus.publish(
            IncidentEscalated(target=f"t{number}", incident="1-1", reason="", escalated_s=3.0)
        )

    others = f'mendel_incidents_escalated_total{{"target": "{_OTHERS}"}}'
    assert (await scraped_when(system, others))[others] == 3.0


async def test_openmetrics_is_spoken_to_who_asks_for_it(system: System) -> None:
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{system.url}/metrics", headers=headers) as response,
    ):
        assert response.content_type == "application/openmetrics-text"
        assert (await response.text()).endswith("# EOF\n")


def _file(name: str) -> str:
    return (resources.files("mendel.runtime.telemetry") / name).read_text("utf-8")


async def test_rules_and_dashboard_ask_for_metrics_that_there_are(system: System) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{system.url}/metrics") as response,
    ):
        text = await response.text()
    known = {family.name for family in text_string_to_metric_families(text)}

    asked = set(re.findall(r"\bmendel_[a-z_]+", _file("alerts.yml") + _file("dashboard.json")))
    bare = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked}

    assert bare <= known | {name.removesuffix("_total") for name in known}
    assert len(bare) >= 12


@pytest.mark.parametrize("name", ["alerts", "dashboard"])
def test_both_are_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["telemetry", name]) == 0

    printed = capsys.readouterr().out
    assert printed.strip() in (_file("alerts.yml").strip(), _file("dashboard.json").strip())


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus (Debian)")
async def test_a_real_prometheus_scrapes_it_and_takes_the_rules(
    system: System, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "alerts.yml").write_text(_file("alerts.yml"))
    checked = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "alerts.yml"], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    address = system.url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "global: { scrape_interval: 1s }\nrule_files: [alerts.yml]\nscrape_configs:\n"
        f"  - {{ job_name: mendel, static_configs: [{{ targets: ['{address}'] }}] }}\n"
    )
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            query = f"http://127.0.0.1:{port}/api/v1/query?query=mendel_component_health"
            async with asyncio.timeout(40.0):
                while not (found := await _asked(session, query)):
                    await asyncio.sleep(0.2)
    finally:
        process.kill()
        await process.wait()

    statuses = {each["metric"]["status"]: each["value"][1] for each in found}
    assert statuses == {"healthy": "0", "suspect": "0", "sick": "0", "unknown": "1"}


async def _asked(session: aiohttp.ClientSession, query: str) -> list[dict[str, Any]]:
    try:
        async with session.get(query) as response:
            found: list[dict[str, Any]] = (await response.json())["data"]["result"]
            return found
    except (aiohttp.ClientError, KeyError):
        return []
