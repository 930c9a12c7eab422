"""What runs short on our own side, and says nothing of those whom we look at."""

from __future__ import annotations

import errno

# No descriptors left for this process or the machine, no memory for sockets, no free local port. A
# healer that took these for failures of its targets would restart all of them.
OUR_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
