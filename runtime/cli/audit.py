"""Who did what: the audit trail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .history import ask_archive, verify_trail
from .output import PLAIN, Printer
from .place import Place

if TYPE_CHECKING:
    from ..store.archive import Archive
    from ..store.audit import AuditRow

audit = App(name="audit", help="Who did what and why, mendel included.", default_parameter=PLAIN)
audit.command(verify_trail, name="verify")


@audit.default
def list_audit(
    *,
    last: Annotated[int, Parameter(alias="-n")] = 50,
    state: Place = None,
    out: Printer,
) -> None:
    """Show the newest lines of the audit trail, newest first.

    Args:
        last: at most so many.
    """
    from ..details import audit_line

    async def question(archive: Archive) -> Sequence[AuditRow]:
        return await archive.audit(limit=last)

    lines = [audit_line(row) for row in ask_archive(state, question)]
    if not out.is_text:
        out.show(lines)
        return
    rows = [
        (
            str(each.seq),
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.utc)),
            each.kind.replace("_", " "),
            each.who,
            each.target,
            str(each.detail.get("reason") or each.detail.get("action") or ""),
        )
        for each in lines
    ]
    out.table(("SEQ", "WHEN", "WHAT", "WHO", "TARGET", "WHY"), rows)
