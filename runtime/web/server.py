"""The HTTP server: what every request passes through on its way to a verb and back.

The gate judges its head, the verb of its route answers, and the answer has the same strict headers.

aiohttp is imported here and nowhere above, so that a runtime without a page does not load it for
that.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import math
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from msgspec import structs

from ...errors import ConfigError, EnvironmentProblem, MendelError
from ..controls import SystemControls
from ..door import LOOPBACK, WebConfig
from ..telemetry.meters import Meters
from ..verbs import SIGNED
from .channels import EventChannel, PageChannel
from .gate import Asked, Gate, Refusal
from .openapi import describe
from .routes import DESCRIPTION, EVENTS, METRICS, REPORT, ROUTES, STREAM, TITLES, Route
from .stream import Channel, Streams, TooManyStreams

_log = logging.getLogger("mendel.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Nothing from elsewhere, nothing inline, in nobody's frame. Styles that scripts set on elements
# (charts do) are not inline styles to this policy.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# A report is a whole page with styles of its own; in a sandbox it is nobody's, and can ask nothing.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
)
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}

BODY_BYTES = 65_536

# Who says so is written to the audit trail; it is a name, and no place for a letter.
_NAME = re.compile(r"[\w.@ -]{1,64}")
_CLOSE_S = 0.3


class WebServer:
    """Serve the page and the API; use it as ``async with WebServer(...) as server:``.

    Args:
        controls: what is asked.
        config: where it is served.
        token: what allows changes.
        version: of mendel.
        base: folder that the paths of certificates start from.
        any_port: take another port when that of the configuration is taken.

    Attributes:
        url: where it is reached; there once it is entered.
        gate: who may ask for what.
        streams: open streams.

    Raises:
        EnvironmentProblem: on entering: the port is taken, or a certificate cannot be used.
    """

    url: str
    gate: Gate

    def __init__(
        self,
        controls: SystemControls,
        config: WebConfig,
        token: str,
        *,
        version: str,
        base: Path = Path(),
        any_port: bool = False,
    ) -> None:
        self.streams = Streams(config.streams)
        self._controls = controls
        self._config = config
        self._meters = Meters(controls)
        self._token = token
        self._version = version
        self._base = base
        self._any_port = any_port
        self._files = _files()
        self._runner: web.AppRunner | None = None
        self._untap: Callable[[], None] = lambda: None

    async def __aenter__(self) -> WebServer:
        app = web.Application(middlewares=[self._guarded], client_max_size=BODY_BYTES)
        for route in ROUTES:
            app.router.add_route(route.method, route.url, self._answering(route))
        app.router.add_get(STREAM, self._stream)
        app.router.add_get(EVENTS, self._events)
        app.router.add_get(DESCRIPTION, self._describe)
        app.router.add_get(METRICS, self._metrics)
        app.router.add_get(REPORT, self._report)
        app.router.add_get("/{file:[^/]*}", self._file)
        app.router.add_get("/vendor/{file:[^/]*}", self._file)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=_CLOSE_S
        )
        await self._runner.setup()
        self._untap = self._controls.tap(self._meters.hear)
        tls = self._tls()
        try:
            port = await self._listen(tls)
        except BaseException:
            self._untap()
            await self._runner.cleanup()
            raise
        scheme = "https" if tls else "http"
        self.gate = Gate(
            self._token,
            self._hosts(port, scheme),
            guarded=self._config.is_open,
            reads_per_s=self._config.reads_per_s,
            changes_per_s=self._config.changes_per_s,
        )
        host = self._config.host
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._untap()
        self.streams.close()  # First: the server waits for its requests, and these never end.
        if self._runner is not None:
            await self._runner.cleanup()

    # --- start --------------------------------------------------------------------------------

    async def _listen(self, tls: ssl.SSLContext | None) -> int:
        assert self._runner is not None, "it is set up before it listens"
        host, port = self._config.host, self._config.port
        ports = (port, 0) if self._any_port and port else (port,)
        for number in ports:
            try:
                site = web.TCPSite(self._runner, host, number, ssl_context=tls)
                await site.start()
            except OSError as error:
                problem = error
                continue
            return int(self._runner.addresses[0][1])
        raise EnvironmentProblem(
            f"cannot serve the page on {host}:{port}: {problem.strerror or problem}",
            "set web.port to another one, or run with --no-web",
        ) from problem

    def _tls(self) -> ssl.SSLContext | None:
        if not self._config.tls_cert:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        paths = (self._base / self._config.tls_cert, self._base / self._config.tls_key)
        try:
            context.load_cert_chain(*paths)
        except (OSError, ssl.SSLError) as error:
            raise EnvironmentProblem(
                f"cannot use the certificate {paths[0]} with the key {paths[1]}: {error}",
                "both are PEM files that the user who runs mendel can read",
            ) from error
        return context

    def _hosts(self, port: int, scheme: str) -> set[str]:
        config = self._config
        names = {*config.names, config.host, *(() if config.is_open else LOOPBACK)}
        names = {f"[{name}]" if ":" in name else name for name in names}
        usual = 443 if scheme == "https" else 80
        return {f"{name}:{port}" for name in names} | (
            names if port == usual or config.names else set()
        )

    # --- every request ------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = Asked(
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin", ""),
            authorization=request.headers.get("Authorization", ""),
            peer=request.remote or "",
            changes=request.method not in ("GET", "HEAD"),
        )
        refusal = self.gate.judge(asked, asyncio.get_running_loop().time())
        if refusal is not None:
            response: web.StreamResponse = _problem(refusal)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = _problem(_of_http(error, request))
            except MendelError as error:
                response = _problem(_of_error(error))
            except Exception:  # noqa: BLE001  # One request that fails is no reason to stop.
                _log.exception("%s %s failed", request.method, request.path)
                title = "a mistake of mendel itself; the log has it"
                response = _problem(Refusal(status=500, title=title, detail=""))
        if not response.prepared:
            response.headers.update({**_HEADERS, **response.headers})
        return response

    def _answering(self, route: Route) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            args = structs.asdict(await _arguments(route, request))
            if route.verb in SIGNED:
                args["who"] = _who(request)
            found = await getattr(self._controls, route.verb)(**args)
            return _json(found)

        return answer

    async def _describe(self, request: web.Request) -> web.Response:
        return _json(describe(self._version))

    async def _metrics(self, request: web.Request) -> web.Response:
        body, kind = self._meters.text(request.headers.get("Accept", ""))
        headers = {"Content-Type": kind, "Cache-Control": "no-store"}
        return web.Response(body=body, headers=headers)

    async def _report(self, request: web.Request) -> web.Response:
        number = _whole(request.match_info["replay"], 1, 1_000_000)
        path = self._controls.asked_replays.report(number)
        headers = {"Content-Security-Policy": _REPORT_POLICY, "Cache-Control": "no-store"}
        body = await asyncio.to_thread(path.read_bytes)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.path.lstrip("/") or "index.html"
        if name not in self._files:
            raise web.HTTPNotFound
        body, packed, tag = self._files[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = packed
        kind = _TYPES[Path(name).suffix]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    # --- streams ------------------------------------------------------------------------------

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        known = self.streams.channel("page")
        return await self._tell(request, "page", known or PageChannel(self._controls))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        pattern = request.query.get("pattern", ">")
        limit = _whole(request.query.get("limit", "20"), 0, 1000)
        name = f"events {limit} {pattern}"
        known = self.streams.channel(name)
        return await self._tell(
            request, name, known or EventChannel(self._controls, pattern, limit)
        )

    async def _tell(self, request: web.Request, name: str, channel: Channel) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS | {"Cache-Control": "no-store"})
        response.content_type = "text/event-stream"
        try:
            with self.streams.join(name, channel) as chunks:
                await response.prepare(request)
                await _write(response, chunks)
        except TooManyStreams:
            detail = f"there are {self._config.streams} already (web.streams), or mendel stops"
            return _problem(
                Refusal(status=503, title="no room for a stream", detail=detail, retry_s=5.0)
            )
        return response


async def _write(response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> None:
    try:
        async for chunk in chunks:
            await response.write(chunk)
    except ConnectionError:
        pass  # It went away, which is how most streams end.


async def _arguments(route: Route, request: web.Request) -> msgspec.Struct:
    if route.method == "GET":
        given: dict[str, Any] = dict(request.query)
    else:
        body = await request.read()
        try:
            given = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=f"the body is no JSON object: {error}") from None
    twice = sorted(given.keys() & request.match_info.keys())
    if twice:
        raise web.HTTPBadRequest(text=f"{twice[0]} stands in the path")
    try:
        return msgspec.convert(
            given | dict(request.match_info), route.arguments, strict=route.method != "GET"
        )
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _who(request: web.Request) -> str:
    """Who wants it, as they say; that they may, the token has shown."""
    name = request.headers.get("Mendel-User", "")
    if name and not _NAME.fullmatch(name):
        raise web.HTTPBadRequest(text="Mendel-User is a name of at most 64 letters and digits")
    return f"{name or 'somebody'} (web)"


def _whole(text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise web.HTTPBadRequest(text=f"{text!r} is no whole number from {low} to {high}")
    return int(text)


def _json(value: object) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _problem(refusal: Refusal) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if refusal.retry_s:
        headers["Retry-After"] = str(math.ceil(refusal.retry_s))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {
        "type": "about:blank",
        "status": refusal.status,
        "title": refusal.title,
        "detail": refusal.detail,
    }
    return web.Response(
        status=refusal.status,
        body=msgspec.json.encode(body),
        content_type="application/problem+json",
        headers=headers,
    )


def _of_http(error: web.HTTPException, request: web.Request) -> Refusal:
    status = error.status
    title = TITLES.get(status, error.reason)
    detail = error.text if status == 400 and error.text else f"{request.method} {request.path}"
    return Refusal(status=status, title=title, detail=detail)


def _of_error(error: MendelError) -> Refusal:
    """A name that is not known is not found; anything else cannot be done now."""
    status = 404 if isinstance(error, ConfigError) else 409
    return Refusal(status=status, title=TITLES[status], detail=str(error))


def _files() -> Mapping[str, tuple[bytes, bytes, str]]:
    """Everything the page consists of, read once: as it is, packed, and its tag."""
    found = {}
    root = resources.files("mendel.runtime.web") / "static"
    for folder, prefix in ((root, ""), (root / "vendor", "vendor/")):
        for each in folder.iterdir():
            if Path(each.name).suffix in _TYPES:
                body = each.read_bytes()
                tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
                found[prefix + each.name] = (body, gzip.compress(body, mtime=0), tag)
    return found
