"""The first lines of a scenario of one's own, with what each of them is for."""

from __future__ import annotations

import re

from ..errors import ConfigError
from .catalogue import CATALOGUE
from .format import NAME

_TEXT = """\
name = "{name}"
description = "The database crashes once; its callers look sick and must be left alone."
source = "Where it comes from: a report, a measurement, a rule of operations."
until = "6m"           # How long it is followed.
# seed = 7             # Of everything random: sizes, traffic, luck.

# Who there is. One of the shapes that are known (shop, chain, fan_out, pipeline):
#     topology = "shop"
# or all components, written out; users call those that nobody else calls.
[estate]
watch = ["components", "replicas", "edges"]    # What there are probes for.

[[estate.components]]
name = "web"
kind = "ui"
depends_on = ["cart"]

[[estate.components]]
name = "cart"
kind = "service"
depends_on = ["db"]
replicas = 3
traits = {{ capacity_rate = 80, boot_s = 4 }}   # Fields of mendel.scenarios.simulator.Service.

[[estate.components]]
name = "db"
kind = "database"
replicas = 1
traits = {{ capacity_rate = 300 }}

[traffic]
rate = 100             # Requests per second, on average over a day.

# What befalls them; several, one after the other or at once. Kinds:
{kinds}
[[faults]]
kind = "crash"
target = "db"          # A component, an edge (web>cart), or * where it befalls all.
at = "1m"
# lasts = "2m"         # What is left out is usual for the kind: lasts, severity, share, trigger.

# Announced work, in which hands are kept off:
# [[maintenance]]
# target = "cart"
# at = "2m"
# lasts = "1m"

# What has to happen; targets of detected and healed stand for their replicas too.
[must]
healed = ["db"]
within = "1m"
# detected = ["db"]
# actions = [{{ action = "restart", target = "db" }}]
# escalated = ["db"]

# What may not happen. Telling a person and keeping calls away is not meant by act_on.
[must_not]
act_on = ["web", "cart"]
# actions = [{{ action = "fail_over", target = "*" }}]
# actions_max = 2
# open_incidents = true
# escalate = true
"""


def template(name: str) -> str:
    """A scenario to begin with, as TOML with comments.

    Args:
        name: what it is to be called.

    Raises:
        ConfigError: nothing can be called so.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(
            f"a scenario cannot be called {name!r}: letters, digits, - and _, at most 63 of them"
        )
    lines, line = [], "#"
    for kind in CATALOGUE:
        if len(line) + len(kind) > 90:
            lines.append(line)
            line = "#"
        line += f" {kind}"
    return _TEXT.format(name=name, kinds="\n".join([*lines, line]))
