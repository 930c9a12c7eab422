"""The command that shows and changes how much of mendel is on for a component."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from ...core.levels import Level
from ..client import ControlClient
from ..healing.recommend import Traits, recommend
from ..views import ComponentView, SystemView
from .output import Done, Printer
from .place import SOCKET_NAME, Place, state_folder


class LevelLine(Struct, frozen=True, kw_only=True):
    """The level of one component, and the one that its traits speak for.

    Attributes:
        component: which one.
        level: that it is on.
        recommended: what its kind and its dependents speak for.
        why: the reasons for that.
    """

    component: str
    level: str
    recommended: str
    why: tuple[str, ...]


def level(
    component: str = "",
    to: Level | None = None,
    /,
    *,
    reason: str = "",
    state: Place = None,
    out: Printer,
) -> None:
    """Show the level of every component, or heal one on another level from now on.

    Nothing that is known gets lost, open incidents included. It holds until the file says another
    level of the component than before.

    Args:
        component: its name; left out, all of them are shown.
        to: basic, advanced or full; left out, the component is shown.
        reason: why; it is kept with the record.
    """
    with ControlClient(state_folder(state) / SOCKET_NAME) as runtime:
        if component and to is not None:
            runtime.wish("change_level", target=component, level=to, reason=reason)
            done = f"{component} is healed on level {to}"
            if out.is_text:
                out.line(done)
            else:
                out.show(Done(done))
            return
        view = runtime.ask("status", SystemView)
    lines = [
        _line(each, view.components) for each in view.components if component in ("", each.name)
    ]
    if not out.is_text:
        out.show(lines)
        return
    header = ("COMPONENT", "LEVEL", "RECOMMENDED", "WHY")
    out.table(header, [(x.component, x.level, x.recommended, "; ".join(x.why)) for x in lines])


def _line(view: ComponentView, all_views: Sequence[ComponentView]) -> LevelLine:
    dependents = sum(view.name in each.depends_on for each in all_views)
    traits = msgspec.convert({"kind": view.kind, "dependents": dependents}, Traits)
    found = recommend(traits)
    return LevelLine(
        component=view.name, level=view.level, recommended=found.level, why=found.reasons
    )
