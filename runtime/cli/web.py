"""Commands about the page."""

from __future__ import annotations

from cyclopts import App
from msgspec import Struct

from ...errors import NotRunning
from ..client import ControlClient
from ..views import SystemView
from .output import PLAIN, Printer
from .place import SOCKET_NAME, Place, state_folder

web = App(name="web", help="Find the page, and what allows changes.", default_parameter=PLAIN)


class Page(Struct, frozen=True, kw_only=True):
    """Where the page is.

    Attributes:
        url: for everybody who may read.
        link: with the token, for whoever may steer.
    """

    url: str
    link: str


@web.command(name="link")
def show_link(*, state: Place = None, out: Printer) -> None:
    """Show where the page is, with the token that allows changes.

    Whoever has the link can steer the runtime: do not pass it on.
    """
    from ..web.token import link

    folder = state_folder(state)
    with ControlClient(folder / SOCKET_NAME) as runtime:
        url = runtime.ask("status", SystemView).url
    if not url:
        raise NotRunning("the runtime serves no page; start it without --no-web, or set [web]")
    page = Page(url=url, link=link(url, folder))
    if out.is_text:
        out.line(page.link)
    else:
        out.show(page)


@web.command(name="token")
def show_token(*, state: Place = None, out: Printer) -> None:
    """Show the token that allows changes over HTTP; the runtime need not run."""
    from ..web.token import token_of

    token = token_of(state_folder(state))
    if out.is_text:
        out.line(token)
    else:
        out.show({"token": token})
