"""What a configuration file says of components, probes and actions, as typed structs.

In the file a field that ends in ``_s`` may be written without the suffix and with a unit
(``every = "800ms"``), one that ends in ``_bytes`` likewise (``memory = "64MB"``); the reader of
files does that for every struct. A value that must not stand in the file is given as
``{ env = "NAME" }`` or ``{ file = "PATH" }``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..agents.guards.guard import GuardConfig
from ..core.detection.detect import Threshold
from ..core.detection.detect_adaptive import AdaptiveDetection
from ..core.levels import Level
from ..core.policy import Mode
from ..core.topology import Kind
from ..errors import ConfigError
from .layers import Layer

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Seconds = Annotated[float, Meta(gt=0)]
Command = Annotated[tuple[str, ...], Meta(min_length=1)]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
Address = Annotated[str, Meta(extra_json_schema={"format": "host-port"})]
NotifyTarget = Annotated[str, Meta(extra_json_schema={"format": "notify"})]
Pattern = Annotated[str, Meta(extra_json_schema={"format": "regex"})]
StatusCode = Annotated[int, Meta(ge=100, le=599)]


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that is read when it is needed, and never printed or stored.

    Attributes:
        env: name of an environment variable that holds it.
        file: path of a file that holds it; a final line end is not part of it.
    """

    env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        if bool(self.env) == bool(self.file):
            raise ConfigError("a secret is either { env = ... } or { file = ... }")


Text = str | Secret


class ProbeSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to look at a component; exactly one of the first five fields is given.

    Attributes:
        http: URL to get; metrics ``reachable``, ``answered``, ``ok``, ``latency_s``.
        tcp: ``host:port`` to connect to; metrics ``reachable``, ``answered``, ``latency_s``.
        exec: command without a shell; metrics ``ok``, ``latency_s``, and what it prints as
            ``name=value`` lines.
        process: watch the component's managed process (``true``) or the one in this pid file;
            metrics ``alive``, ``cpu_share``, ``memory_bytes``, ``descriptors``.
        heartbeat: the component reports by itself at least this often, in seconds.
        every_s: time between two looks.
        timeout_s: how long one look may take.
        status: HTTP status codes that are fine; empty means 200 to 399.
        match: regular expression that the body must contain; empty means any body.
        headers: sent with the request.
    """

    http: Url | None = None
    tcp: Address | None = None
    exec: Command | None = None
    process: bool | str | None = None
    heartbeat_s: Seconds | None = None
    every_s: Seconds = 1.0
    timeout_s: Seconds = 0.8
    status: tuple[StatusCode, ...] = ()
    match: Pattern = ""
    headers: dict[str, Text] = {}

    def __post_init__(self) -> None:
        ways = (self.http, self.tcp, self.exec, self.process, self.heartbeat_s)
        given = sum(way is not None for way in ways)
        if given != 1:
            raise ConfigError(
                f"a probe is exactly one of http, tcp, exec, process, heartbeat; found {given}"
            )


class ActionSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that may be done to a component; exactly one of the first four is given.

    Attributes:
        process: what to do to the managed process.
        exec: command without a shell.
        webhook: URL to call.
        notify: where to tell a person: ``log``, or a URL that gets a JSON message.
        timeout_s: how long it may take.
        settle_s: how long its effect may take to show (boot and warm-up).
        disruptive: whether it costs capacity; only one such action runs per component at a time.
        undo: name of the action that takes it back, or empty.
        check: command that tells after a crash of mendel whether the action took place: exit
            status 0 done, 1 not done, anything else unknown.
        method: of the webhook.
        headers: of the webhook.
        body: of the webhook; ``{target}``, ``{action}``, ``{intent}`` and ``{incident}`` are
            filled in.
        status: HTTP status codes that mean success; empty means 200 to 299.
    """

    process: Literal["restart", "stop", "start"] | None = None
    exec: Command | None = None
    webhook: Url | None = None
    notify: NotifyTarget | Secret | None = None
    timeout_s: Seconds = 30.0
    settle_s: Annotated[float, Meta(ge=0)] = 10.0
    disruptive: bool = True
    undo: str = ""
    check: Command | None = None
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, Text] = {}
    body: str = ""
    status: tuple[StatusCode, ...] = ()

    def __post_init__(self) -> None:
        ways = (self.process, self.exec, self.webhook, self.notify)
        given = sum(way is not None for way in ways)
        if given != 1:
            raise ConfigError(
                f"an action is exactly one of process, exec, webhook, notify; found {given}"
            )


class ProcessSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A child process that mendel starts, restarts, stops and reaps.

    Attributes:
        exec: command without a shell.
        cwd: folder it runs in; empty means that of the configuration file.
        env: variables added to mendel's own environment.
        stop_s: time between SIGTERM and SIGKILL to its process group.
        log_bytes: how much of its output is kept in ``logs/NAME.log`` (and as much again in
            ``NAME.log.1``).
        detach: leave it running when mendel stops.
        adopt: take it over when mendel starts and it already runs; else it is restarted.
    """

    exec: Command
    cwd: str = ""
    env: dict[str, Text] = {}
    stop_s: Seconds = 1.0
    log_bytes: Annotated[int, Meta(ge=4096)] = 1_000_000
    detach: bool = False
    adopt: bool = True


class ComponentSpec(Layer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One component of the estate: how it is watched and what may be done to it.

    Attributes:
        name: unique.
        kind: what sort of thing it is.
        depends_on: components it cannot do its work without.
        process: the child process that it is, when mendel is to run it. It then has a process
            probe and a ``restart`` action unless it names its own.
        probes: how it is looked at.
        actions: what may be done to it, by name.
        plan: names of actions in the order they are tried; empty takes that of its kind. Short for
            ``playbook.plan``.
        thresholds: by metric; they replace or complete those of the estate. Short for
            ``watch.thresholds``.
        adaptive: metrics that are compared with their own past; beside those of the estate. Short
            for ``watch.adaptive``.
        level: where it is not that of its kind or the estate.
        mode: where it is not that of its kind or the estate (``observe`` for a component that is
            only watched).
        guard: settings of the guard of calls to it, where the program makes guarded calls.
        group: components of one group stand in for each other; some of them always stay up.
        watch: where it is watched otherwise than its kind, level and the estate; so for the
            sections below.
        playbook: what is tried, and how stubbornly.
        triage: how long to look before blaming.
        verify: how an action is judged.
        incident: how patient its incidents are with the healer itself.
        relief: how its load is held back.
    """

    name: Name
    kind: Kind = "service"
    depends_on: tuple[Name, ...] = ()
    process: ProcessSpec | None = None
    probes: tuple[ProbeSpec, ...] = ()
    actions: dict[Name, ActionSpec] = field(default_factory=dict)
    plan: tuple[Name, ...] = ()
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    adaptive: dict[str, AdaptiveDetection] = field(default_factory=dict)
    level: Level | None = None
    mode: Mode | None = None
    guard: GuardConfig | None = None
    group: str = ""

    @property
    def layer(self) -> Layer:
        """What it says of its own settings, with what has a short spelling in its section."""
        short = {"thresholds": self.thresholds, "adaptive": self.adaptive}
        watch = dict(self.watch)
        for name, entries in short.items():
            if entries:
                watch[name] = watch.get(name, {}) | entries
        plan = {"plan": self.plan} if self.plan else {}
        return Layer(
            watch=watch,
            playbook=self.playbook | plan,
            triage=self.triage,
            verify=self.verify,
            incident=self.incident,
            relief=self.relief,
        )
