"""Commands for those who watch mendel with something else."""

from __future__ import annotations

from importlib import resources

from cyclopts import App

from .answers import Text
from .output import PLAIN, Printer

telemetry = App(
    name="telemetry",
    help="What monitoring systems take from mendel; `/metrics` of the page is what they scrape.",
    default_parameter=PLAIN,
)


def _file(name: str) -> str:
    return (resources.files("mendel.runtime.telemetry") / name).read_text("utf-8")


@telemetry.command(name="alerts")
def show_alerts(*, out: Printer) -> None:
    """Print alert rules for Prometheus: mendel telemetry alerts > mendel.rules.yml."""
    rules = _file("alerts.yml").rstrip()
    if out.is_text:
        out.line(rules)
    else:
        out.show(Text(rules))


@telemetry.command(name="dashboard")
def show_dashboard(*, out: Printer) -> None:
    """Print a dashboard for Grafana: mendel telemetry dashboard > mendel.json, then import it."""
    out.line(_file("dashboard.json").rstrip())  # JSON in any form.
