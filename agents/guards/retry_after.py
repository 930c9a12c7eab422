"""How long a target asked to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def retry_after_s(error: Exception) -> float:
    """Tell for how long the target asked to be left alone; 0 if it did not.

    An error may say so itself (``retry_after_s``), or carry the headers of a response, as those of
    aiohttp and httpx do. A date is compared with the response's own ``Date``, not with our clock.
    """
    own = getattr(error, "retry_after_s", None)
    if isinstance(own, int | float):
        return max(float(own), 0.0)
    headers = getattr(error, "headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    if headers is None:
        return 0.0
    return seconds_of(headers.get("Retry-After", ""), headers.get("Date", ""))


def seconds_of(retry_after: str, date: str) -> float:
    """Read a ``Retry-After`` header: seconds, or a date that counts from the ``Date`` header."""
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        wait = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)
    except (ValueError, TypeError):  # Absent, no date, or only one of them with a time zone.
        return 0.0
    return max(wait.total_seconds(), 0.0)
