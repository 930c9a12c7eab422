"""Faults as plain data: one constructor per kind, which says what its parameters mean.

What a fault does is physics, in `mendel.scenarios.simulator`; what cures it is in `catalogue`.
"""

from __future__ import annotations

from .catalogue import Fault as Fault


def crash(target: str, at_s: float, *, share: float = 1.0) -> Fault:
    """Processes are gone and stay so until something starts them.

    Cured by a restart or a replacement, always.

    Args:
        target: component.
        at_s: when.
        share: of its replicas.
    """
    return Fault(kind="crash", target=target, at_s=at_s, share=share)


def hang(target: str, at_s: float, *, share: float = 1.0) -> Fault:
    """Processes live, take requests and answer none: a deadlock.

    Cured by a restart (0.97) or a replacement (0.99).

    Args:
        target: component.
        at_s: when.
        share: of its replicas.
    """
    return Fault(kind="hang", target=target, at_s=at_s, share=share)


def gray_failure(target: str, at_s: float, *, severity: float = 0.8, share: float = 0.34) -> Fault:
    """Some replicas fail requests while their own checks are green; only callers see it.

    Cured by replacing them (0.95), less surely by restarting them (0.6).

    Args:
        target: component.
        at_s: when.
        severity: share of requests that fail in such a replica.
        share: of its replicas.
    """
    return Fault(kind="gray_failure", target=target, at_s=at_s, severity=severity, share=share)


def limplock(target: str, at_s: float, *, severity: float = 20.0, share: float = 0.34) -> Fault:
    """Hardware that limps: slow, with an idle processor. A restart cures nothing.

    Cured by a replacement on another machine (0.97).

    Args:
        target: component.
        at_s: when.
        severity: how many times slower.
        share: of its replicas.
    """
    return Fault(kind="limplock", target=target, at_s=at_s, severity=severity, share=share)


def memory_leak(target: str, at_s: float, *, severity: float = 0.0015) -> Fault:
    """Memory grows in all replicas together; near the limit collection slows them, then they die.

    A restart empties the memory, and the leak begins anew; a roll back takes it away (0.9).

    Args:
        target: component.
        at_s: when.
        severity: share of the limit that is lost per second.
    """
    return Fault(kind="memory_leak", target=target, at_s=at_s, severity=severity)


def pool_exhaustion(
    target: str, at_s: float, *, severity: float = 0.01, share: float = 1.0
) -> Fault:
    """Callers do not give connections to the target back, until they have none left.

    A restart of a caller frees its connections (0.97); the target itself is well.

    Args:
        target: component whose callers leak.
        at_s: when.
        severity: share of each pool that is lost per second.
        share: of the callers' replicas.
    """
    return Fault(kind="pool_exhaustion", target=target, at_s=at_s, severity=severity, share=share)


def retry_storm(
    target: str, at_s: float, *, severity: float = 4.0, trigger_s: float = 30.0
) -> Fault:
    """Callers retry without a budget; a short weakness of the target starts a storm that stays.

    It ends when the load is cut (`shed`), or for good with a retry budget. What lasts is the
    habit of the callers, not the trigger.

    Args:
        target: component.
        at_s: when its weakness begins.
        severity: retries per call.
        trigger_s: how long the target has a fifth of its capacity.
    """
    return Fault(
        kind="retry_storm", target=target, at_s=at_s, severity=severity, trigger_s=trigger_s
    )


def cascade(target: str, at_s: float, *, severity: float = 30.0, lasts_s: float = 600.0) -> Fault:
    """The target becomes slow, and whoever waits for it runs out of threads.

    Passes by itself; a fail over (0.8) or replacement (0.5) cures it. What helps at once is to
    break the edge.

    Args:
        target: component.
        at_s: when.
        severity: how many times slower.
        lasts_s: how long.
    """
    return Fault(kind="cascade", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s)


def thundering_herd(
    target: str, at_s: float, *, severity: float = 0.85, outage_s: float = 60.0
) -> Fault:
    """The target is away, and what failed meanwhile comes back all at once when it returns.

    Nothing needs a cure; it collapses again until fewer are let in (`shed`), or they give up.

    Args:
        target: component.
        at_s: when it goes away.
        severity: share of those who failed that try again some seconds later.
        outage_s: how long it is away.
    """
    return Fault(
        kind="thundering_herd",
        target=target,
        at_s=at_s,
        lasts_s=outage_s + 900.0,
        severity=severity,
        trigger_s=outage_s,
    )


def flapping(target: str, at_s: float, *, severity: float = 10.0, share: float = 0.5) -> Fault:
    """Replicas go down and come back by themselves, too fast for most windows.

    Cured by a replacement (0.95), hardly by a restart (0.1).

    Args:
        target: component.
        at_s: when.
        severity: seconds from one dip to the next; it is down for two fifths of them.
        share: of its replicas.
    """
    return Fault(kind="flapping", target=target, at_s=at_s, severity=severity, share=share)


def dependency_outage(
    target: str, at_s: float, *, severity: float = 1.0, lasts_s: float = 600.0
) -> Fault:
    """Something that others run does not work; nothing one does to it helps.

    Args:
        target: component, usually external.
        at_s: when.
        severity: share of the calls that fail.
        lasts_s: until they have repaired it.
    """
    return Fault(
        kind="dependency_outage", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s
    )


def stale_pool(target: str, at_s: float, *, severity: float = 0.9, share: float = 1.0) -> Fault:
    """The target was away for a moment and is well; its callers keep dead connections.

    A restart of a caller cures that caller (0.97).

    Args:
        target: component whose callers have it.
        at_s: when.
        severity: share of their calls that fail.
        share: of the callers' replicas.
    """
    return Fault(kind="stale_pool", target=target, at_s=at_s, severity=severity, share=share)


def partition(edge: str, at_s: float, *, severity: float = 1.0, lasts_s: float = 90.0) -> Fault:
    """Both sides are well and cannot reach each other; calls end in timeouts.

    Args:
        edge: ``caller>callee``.
        at_s: when.
        severity: share of the calls that are lost.
        lasts_s: how long.
    """
    return Fault(kind="partition", target=edge, at_s=at_s, severity=severity, lasts_s=lasts_s)


def bad_deploy(target: str, at_s: float, *, severity: float = 0.7, share: float = 1.0) -> Fault:
    """A new version fails requests, from its first moment on.

    Cured by a roll back (0.97), by nothing else.

    Args:
        target: component.
        at_s: when it is deployed.
        severity: share of requests that fail.
        share: of the replicas that have it already.
    """
    return Fault(kind="bad_deploy", target=target, at_s=at_s, severity=severity, share=share)


def good_deploy(target: str, at_s: float) -> Fault:
    """A new version that is well: an innocent annotation, to be mixed with an unrelated fault.

    Args:
        target: component.
        at_s: when it is deployed.
    """
    return Fault(kind="good_deploy", target=target, at_s=at_s)


def noisy_neighbour(
    target: str, at_s: float, *, severity: float = 3.0, share: float = 0.5, lasts_s: float = 1200.0
) -> Fault:
    """Replicas get less of their processors than they are told.

    Passes by itself; a replacement elsewhere cures (0.9), added replicas ease it.

    Args:
        target: component.
        at_s: when.
        severity: how many times slower.
        share: of its replicas.
        lasts_s: how long.
    """
    return Fault(
        kind="noisy_neighbour",
        target=target,
        at_s=at_s,
        severity=severity,
        share=share,
        lasts_s=lasts_s,
    )


def spike(target: str, at_s: float, *, severity: float = 1.25, lasts_s: float = 300.0) -> Fault:
    """More users for a while, and enough capacity for them.

    Args:
        target: where they come in, or ``*``.
        at_s: when.
        severity: factor on the traffic.
        lasts_s: how long.
    """
    return Fault(kind="spike", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s)


def overload(target: str, at_s: float, *, severity: float = 3.0, lasts_s: float = 600.0) -> Fault:
    """More users than can be served.

    Args:
        target: where they come in, or ``*``.
        at_s: when.
        severity: factor on the traffic.
        lasts_s: how long.
    """
    return Fault(kind="overload", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s)


def maintenance(target: str, at_s: float, *, lasts_s: float = 120.0, share: float = 0.5) -> Fault:
    """Replicas are down because somebody works on them, as announced; they come back.

    Args:
        target: component.
        at_s: when.
        lasts_s: how long.
        share: of its replicas.
    """
    return Fault(kind="maintenance", target=target, at_s=at_s, lasts_s=lasts_s, share=share)


def correlated_loss(target: str, at_s: float, *, share: float = 0.5) -> Fault:
    """One machine is lost, with the first replicas of several components on it.

    A restart fails, for there is nothing to start them on; a replacement works (0.99).

    Args:
        target: component, or ``*`` for all that have more than one replica.
        at_s: when.
        share: of the replicas of each.
    """
    return Fault(kind="correlated_loss", target=target, at_s=at_s, share=share)


def disk_fill(target: str, at_s: float, *, severity: float = 0.0015) -> Fault:
    """A disk fills slowly; when it is full every request fails.

    Cleaning up empties it, and it fills again; a roll back may take the cause away (0.3).

    Args:
        target: component.
        at_s: when it begins.
        severity: share of the disk per second.
    """
    return Fault(kind="disk_fill", target=target, at_s=at_s, severity=severity)


def monitoring_outage(target: str, at_s: float, *, lasts_s: float = 300.0) -> Fault:
    """Probes return nothing, which means neither up nor down.

    Args:
        target: component, or ``*`` for all.
        at_s: when.
        lasts_s: how long.
    """
    return Fault(kind="monitoring_outage", target=target, at_s=at_s, lasts_s=lasts_s)


def poison_message(target: str, at_s: float, *, severity: float = 6.0) -> Fault:
    """A message kills the replica that takes it and is delivered to the next one.

    Cured by putting the message aside; replicas that it killed still need a restart, and as long
    as it is there, whatever is restarted dies of it.

    Args:
        target: component, usually a worker.
        at_s: when it arrives.
        severity: seconds from one delivery to the next.
    """
    return Fault(kind="poison_message", target=target, at_s=at_s, severity=severity)


def late_monitoring(
    target: str, at_s: float, *, severity: float = 5.0, lasts_s: float = 300.0
) -> Fault:
    """Readings arrive late, as they do when the healer itself cannot keep up.

    Crashes of its agents are no matter of a world; whoever runs the agents causes them.

    Args:
        target: component, or ``*`` for all.
        at_s: when.
        severity: seconds they are late.
        lasts_s: how long.
    """
    return Fault(
        kind="late_monitoring", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s
    )


def check_flapping(
    target: str, at_s: float, *, severity: float = 0.3, lasts_s: float = 300.0
) -> Fault:
    """A check that is wrong now and then: its account has expired on one of its own machines.

    Args:
        target: component, or ``*`` for all.
        at_s: when.
        severity: share of the looks that are answered with an error though all is well.
        lasts_s: how long.
    """
    return Fault(
        kind="check_flapping", target=target, at_s=at_s, severity=severity, lasts_s=lasts_s
    )
