"""Cautious and bold readings of a Beta distribution, without a library of special functions."""

from __future__ import annotations

import math


def bounds(alpha: float, beta: float, spreads: float) -> tuple[float, float]:
    """Chances so many standard deviations below and above the mean, on the scale of log-odds.

    The log-odds of a Beta variable have the mean ``digamma(alpha) - digamma(beta)`` and the
    variance ``trigamma(alpha) + trigamma(beta)``. Below one standard deviation the lower bound
    rises with every cure and falls with every failure, which a bound of the mean and spread of the
    chance itself does not.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 25.
    """
    (digamma_a, trigamma_a), (digamma_b, trigamma_b) = _polygamma(alpha), _polygamma(beta)
    mean, spread = digamma_a - digamma_b, math.sqrt(trigamma_a + trigamma_b)
    return _chance(mean - spreads * spread), _chance(mean + spreads * spread)


def _chance(log_odds: float) -> float:
    # Beyond this a chance is 0 or 1 to the last bit, and costs would be infinite.
    return 1.0 / (1.0 + math.exp(min(max(-log_odds, -30.0), 30.0)))


def _polygamma(x: float) -> tuple[float, float]:
    """Digamma and trigamma of a positive number: recurrence, then the asymptotic series.

    Source:
        Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 6.3.18 and 6.4.12.
    """
    digamma = trigamma = 0.0
    while x < 6.0:
        digamma -= 1.0 / x
        trigamma += 1.0 / (x * x)
        x += 1.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = square * (1 / 12 - square * (1 / 120 - square / 252))
    digamma += math.log(x) - 0.5 * inverse - series
    series = square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)))
    trigamma += inverse * (1.0 + 0.5 * inverse + series)
    return digamma, trigamma
