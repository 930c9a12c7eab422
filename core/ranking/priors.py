"""What actions usually do, before anything has been learned here: by cause, and by kind.

Chances are given in five grades, because nobody knows them better: reports of large systems tell
what ended an incident, hardly ever how often the same action ended others. A rollback ended a fifth
of the incidents that the operators of a large chat service published, a change of infrastructure
another fifth, and a restart is what most plans begin with; so none of these is unlikely where the
cause is not known, and none is sure.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..topology import Kind

# Takes the cause away, as far as anything does.
CURES = 0.9
# Helps more often than not.
OFTEN = 0.6
# Makes it bearable, or helps against one of several reasons.
EASES = 0.35
# Has been known to help.
SELDOM = 0.1
# Was never the answer, and does harm.
WRONG = 0.03

# An action that no table names: a component declares it, so somebody believes in it.
UNHEARD_OF = 0.4

Grades = Mapping[str, float]

_REBOOTS: Grades = {"restart": CURES, "rolling_restart": CURES, "replace": CURES}
_NO_REBOOT: Grades = {"restart": WRONG, "rolling_restart": WRONG}

BY_CAUSE: Mapping[str, Grades] = {
    # The process is gone or stuck; a new one is all it takes.
    "crash": {**_REBOOTS, "roll_back": SELDOM},
    "hang": {**_REBOOTS, "drain": EASES, "roll_back": SELDOM},
    # One replica of several is ill, often for a reason outside of its process.
    "gray_failure": {"restart": OFTEN, "rolling_restart": EASES, "replace": CURES, "drain": OFTEN},
    "limplock": {**_NO_REBOOT, "replace": CURES, "drain": OFTEN, "scale": EASES, "shed": EASES},
    "flapping": {"restart": SELDOM, "rolling_restart": SELDOM, "replace": CURES, "drain": OFTEN},
    "noisy_neighbour": {**_NO_REBOOT, "scale": OFTEN, "replace": OFTEN, "drain": EASES},
    # The machine is gone: there is nothing to start a process on.
    "correlated_loss": {**_NO_REBOOT, "replace": CURES, "scale": OFTEN},
    # A new process begins from nothing, and fills up again unless the code changes.
    "memory_leak": {
        "rolling_restart": OFTEN,
        "restart": OFTEN,
        "replace": OFTEN,
        "roll_back": OFTEN,
        "scale": SELDOM,
    },
    # More clients take more of what is short.
    "pool_exhaustion": {
        "rolling_restart": CURES,
        "restart": CURES,
        "replace": CURES,
        "roll_back": EASES,
        "degrade": EASES,
        "scale": WRONG,
    },
    "stale_pool": {
        "rolling_restart": CURES,
        "restart": CURES,
        "replace": CURES,
        "degrade": EASES,
        "roll_back": WRONG,
    },
    # Too much work, whatever the reason; a restart empties caches and brings the herd.
    "retry_storm": {**_NO_REBOOT, "retry_budget": CURES, "shed": CURES, "scale": SELDOM},
    "thundering_herd": {**_NO_REBOOT, "shed": CURES, "retry_budget": OFTEN, "scale": EASES},
    "overload": {**_NO_REBOOT, "shed": OFTEN, "scale": OFTEN, "degrade": EASES},
    "spike": {**_NO_REBOOT, "scale": EASES, "shed": WRONG},
    # Somebody else's trouble: keep away from it, and do without.
    "cascade": {
        **_NO_REBOOT,
        "replace": EASES,
        "isolate": OFTEN,
        "fail_over": OFTEN,
        "degrade": OFTEN,
    },
    "dependency_outage": {**_NO_REBOOT, "isolate": OFTEN, "degrade": OFTEN, "roll_back": WRONG},
    "partition": {**_NO_REBOOT, "isolate": EASES, "degrade": EASES, "fail_over": SELDOM},
    # What came with the new version goes with it, and with nothing else.
    "bad_deploy": {**_NO_REBOOT, "roll_back": CURES, "replace": WRONG, "degrade": EASES},
    "disk_fill": {**_NO_REBOOT, "clean_up": CURES, "replace": EASES, "roll_back": SELDOM},
    # Whoever takes the message dies of it, old or new.
    "poison_message": {"quarantine": CURES, "restart": SELDOM, "rolling_restart": SELDOM},
}

_STATELESS: Grades = {
    "rolling_restart": OFTEN,
    "restart": OFTEN,
    "replace": OFTEN,
    "roll_back": EASES,
    "scale": EASES,
    "shed": EASES,
    "degrade": EASES,
    "retry_budget": EASES,
}
BY_KIND: Mapping[Kind, Grades] = {
    "service": _STATELESS,
    "api": _STATELESS,
    # It holds nothing and calls much: what is wrong with it came with a deployment, or is below.
    "ui": {**_STATELESS, "roll_back": OFTEN, "replace": EASES},
    # It fails on its work as often as by itself.
    "worker": {**_STATELESS, "quarantine": EASES},
    "pipeline": {**_STATELESS, "quarantine": OFTEN, "rolling_restart": EASES, "restart": EASES},
    # It belongs to others: one can keep away from it, and wait.
    "external": {"isolate": OFTEN, "degrade": OFTEN, "retry_budget": EASES},
    # A restart costs all callers their connections; a full disk is the usual creeping trouble.
    "database": {
        "restart": OFTEN,
        "clean_up": EASES,
        "fail_over": OFTEN,
        "replace": SELDOM,
        "shed": EASES,
    },
    # An empty cache is slow for a while, not wrong.
    "cache": {"rolling_restart": OFTEN, "restart": OFTEN, "replace": OFTEN, "scale": EASES},
    "queue": {"restart": EASES, "clean_up": OFTEN, "scale": SELDOM, "replace": SELDOM},
}


def prior_of(action: str, kind: Kind, cause: str = "") -> float:
    """Chance that an action cures when nothing has been learned yet.

    Args:
        action: its name.
        kind: of the component.
        cause: class of what is held to be wrong; empty, or one that is in no table, when nobody
            knows.

    Example:
        >>> prior_of("restart", "service"), prior_of("restart", "service", "bad_deploy")
        (0.6, 0.03)
    """
    grades = BY_CAUSE.get(cause) or BY_KIND[kind]
    return grades.get(action, SELDOM if cause in BY_CAUSE else UNHEARD_OF)
