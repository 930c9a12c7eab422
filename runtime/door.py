"""What a configuration file says of the web page and the HTTP API."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from msgspec import Meta, Struct

from ..errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class WebConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the page and the HTTP API are served, and to whom.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 takes any that is free.
        names: further names that the page is called by, such as ``mendel.example.org``; what asks
            for another name is refused.
        tls_cert: certificate chain (PEM), relative to the configuration file.
        tls_key: its private key (PEM).
        insecure: listen beyond this machine although nothing is encrypted.
        streams: open event streams at once; further ones are refused.
        reads_per_s: questions that one address may ask.
        changes_per_s: wishes that one address may have, refused ones included.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8765
    names: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    insecure: bool = False
    streams: Annotated[int, Meta(ge=1, le=10_000)] = 256
    reads_per_s: Annotated[float, Meta(gt=0)] = 100.0
    changes_per_s: Annotated[float, Meta(gt=0)] = 10.0

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigError("tls_cert and tls_key go together; found one of them")
        if self.is_open and not self.tls_cert and not self.insecure:
            raise ConfigError(
                f"host {self.host} can be reached from other machines: give tls_cert and tls_key, "
                "listen on 127.0.0.1 behind a proxy, or set insecure = true"
            )

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach it."""
        if self.host in LOOPBACK:
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # A name, and who knows what it leads to.
            return True
