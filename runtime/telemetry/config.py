"""What a configuration file says of where telemetry is sent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...errors import ConfigError
from ..specs import Seconds, Text, Url


class OtlpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where metrics and logs are sent by OTLP over HTTP; needs the extra ``otlp``.

    Attributes:
        endpoint: of the receiver, without ``/v1/metrics`` and ``/v1/logs``.
        headers: sent along, such as what lets mendel in; a value may be a secret.
        every_s: how often, and how late at most a log line is.
        timeout_s: so long a receiver may take; then this batch is given up and counted as lost.
        metrics: whether metrics are sent.
        logs: whether log lines are sent.
    """

    endpoint: Url
    headers: dict[str, Text] = {}
    every_s: Seconds = 15.0
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    metrics: bool = True
    logs: bool = True

    def __post_init__(self) -> None:
        if not (self.metrics or self.logs):
            raise ConfigError("neither metrics nor logs are sent; leave the section out instead")
