"""What trouble looks like: the shape of one metric, and the symptoms of a target as a short key.

A *signature* sums up which kinds of metrics are out of the ordinary and how far, in coarse bins, so
that the same trouble has the same key on another day and another component: it is what experience
is filed under. Finer bins were turned down: with two sizes per role most incidents of a kind meet
again, with four hardly any did.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..roles import Role, role_of

# From so many alarm lines on, something is far out.
FAR = 4.0
# The worst of these says all that the lesser ones say, so only it is part of the key.
_GONE = ("alive", "reachable", "answered")
NO_SIGNATURE = "none"


def signature_of(scores: Mapping[str, float]) -> str:
    """Key of the symptoms of a target.

    Args:
        scores: of its metrics, 1.0 on the alarm line, more beyond it; negative where the metric is
            low and that is what is odd (traffic that vanished). What is within its line is left
            out.

    Returns:
        Roles in alphabetical order, each with ``+`` (out), ``++`` (far out), ``-`` or ``--`` (the
        same, downward), and what does not work at all by its name: ``alive errors++ rate-``. It
        does not depend on the order of the metrics.

    Example:
        >>> signature_of({"error_rate": 9.0, "latency_s": 2.0, "cpu_share": 0.4})
        'errors++ latency+'
        >>> signature_of({"reachable": 2.0, "answered": 2.0})
        'reachable'
    """
    worst: dict[Role, float] = {}
    for metric, score in scores.items():
        role = role_of(metric)
        if abs(score) >= 1.0 and abs(score) >= abs(worst.get(role, 0.0)):
            # Of two that are equally far out, whichever came first, the upper one counts.
            worst[role] = max(score, worst[role]) if score == -worst.get(role, 0.0) else score
    parts = [f"{role}{_size(score)}" for role, score in worst.items() if role != "up"]
    if "up" in worst:
        parts.append(next((name for name in _GONE if abs(scores.get(name, 0.0)) >= 1.0), "ok"))
    return " ".join(sorted(parts)) or NO_SIGNATURE


def _size(score: float) -> str:
    sign = "+" if score > 0.0 else "-"
    return sign * 2 if abs(score) >= FAR else sign
