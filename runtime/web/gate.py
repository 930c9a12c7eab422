"""Who may ask for what: decided from the head of a request alone, before anything is read or done.

In this order: does it ask for a name of ours (a page of somebody else whose name leads here asks
for that name: DNS rebinding), does it come from a page of ours (cross-site requests), has this
address asked too much, and does it know the token where that is needed. To read on the machine
itself needs none; a change always does.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Collection

from msgspec import Struct

# Addresses whose pace is remembered; the one that has been quiet for longest is forgotten.
PEERS_MAX = 1024
_SCHEMES = ("http", "https")
_BURST_S = 2.0  # A page that loads asks a dozen things at once.


class Asked(Struct, frozen=True, kw_only=True):
    """The head of a request.

    Attributes:
        host: what it was sent to, as the client calls it (``Host``).
        origin: the page that sent it (``Origin``), or empty.
        authorization: the header of this name, or empty.
        peer: address of the other end.
        changes: whether it wants something done.
    """

    host: str
    origin: str = ""
    authorization: str = ""
    peer: str = ""
    changes: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a request goes no further.

    Attributes:
        status: HTTP status code.
        title: what is wrong, in a few words.
        detail: what would be right.
        retry_s: when asking again makes sense; 0.0 when it does not.
    """

    status: int
    title: str
    detail: str
    retry_s: float = 0.0


class Pace:
    """Token buckets by address: so many requests per second, and a few more at once.

    Args:
        per_s: pace of one address.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._room = max(1.0, per_s * _BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, peer: str, now_s: float) -> float:
        """Count a request; returns how long to wait, 0.0 when it may pass."""
        left, at_s = self._buckets.pop(peer, (self._room, now_s))
        left = min(self._room, left + max(0.0, now_s - at_s) * self._per_s)
        wait_s = 0.0 if left >= 1.0 else (1.0 - left) / self._per_s
        self._buckets[peer] = (left - 1.0 if wait_s == 0.0 else left, now_s)
        if len(self._buckets) > PEERS_MAX:
            self._buckets.popitem(last=False)
        return wait_s


class Gate:
    """Judge requests.

    Args:
        token: what allows changes.
        hosts: names of ours as they stand in ``Host``, with the port where it is not the usual one.
        guarded: reading needs the token too.
        reads_per_s: pace of questions per address.
        changes_per_s: pace of wishes per address.

    Attributes:
        refused: counter of refusals by status code.
    """

    def __init__(
        self,
        token: str,
        hosts: Collection[str],
        *,
        guarded: bool = False,
        reads_per_s: float = 100.0,
        changes_per_s: float = 10.0,
    ) -> None:
        self.refused: dict[int, int] = {}
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)
        # Both: a proxy may speak TLS for us.
        self._origins = frozenset(f"{scheme}://{h}" for h in self._hosts for scheme in _SCHEMES)
        self._guarded = guarded
        self._reads = Pace(reads_per_s)
        self._changes = Pace(changes_per_s)

    def judge(self, asked: Asked, now_s: float) -> Refusal | None:
        """Say why a request is refused; ``None`` lets it pass."""
        refusal = (
            self._misdirected(asked)
            or self._foreign(asked)
            or self._hasty(asked, now_s)
            or self._unknown(asked)
        )
        if refusal is not None:
            self.refused[refusal.status] = self.refused.get(refusal.status, 0) + 1
        return refusal

    def knows_token(self, authorization: str) -> bool:
        """Whether a header carries the token; takes equally long for every wrong one."""
        scheme, _, given = authorization.partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._token)
        return same and scheme.lower() == "bearer"

    def _misdirected(self, asked: Asked) -> Refusal | None:
        if asked.host.lower() in self._hosts:
            return None
        return Refusal(
            status=421,
            title="not a name of this server",
            detail=f"asked for {asked.host!r}; known: {', '.join(sorted(self._hosts))}"
            " (more: web.names)",
        )

    def _foreign(self, asked: Asked) -> Refusal | None:
        if not asked.origin or asked.origin.lower() in self._origins:
            return None
        return Refusal(
            status=403,
            title="not from a page of this server",
            detail=f"a page of {asked.origin!r} may not ask here",
        )

    def _hasty(self, asked: Asked, now_s: float) -> Refusal | None:
        pace = self._changes if asked.changes else self._reads
        wait_s = pace.take(asked.peer, now_s)
        if wait_s == 0.0:
            return None
        return Refusal(
            status=429,
            title="too many requests",
            detail=f"{asked.peer} may ask again in {wait_s:.2g} s",
            retry_s=wait_s,
        )

    def _unknown(self, asked: Asked) -> Refusal | None:
        if not (asked.changes or self._guarded) or self.knows_token(asked.authorization):
            return None
        said = "the token is wrong" if asked.authorization else "there is no token"
        return Refusal(
            status=401,
            title="not allowed without the token",
            detail=f"{said}; send `Authorization: Bearer TOKEN`, as `mendel web token` prints it",
        )
