"""The configuration of a runtime: one TOML file, overrides, and every mistake at once.

A value comes from the file, an environment variable (``MENDEL_POLICY__MODE=observe``) or an
option (``--set policy.mode=observe``); the later one wins. What holds for a component is laid over
what holds for its kind, its level and the estate (`mendel.runtime.layers`). Codes of problems are
stable:

====== ==========================================================================================
MD100  the file is not TOML
MD101  unknown field
MD102  wrong type
MD103  out of range, too short or too long
MD104  missing field
MD105  not one of the choices
MD106  not a duration or size
MD107  text not of the right form
MD108  one field in two spellings
MD109  fields that do not go together
MD110  bad URL; MD111 bad ``host:port``; MD112 bad regular expression
MD120  duplicate name; MD121 unknown dependency; MD122 own dependency; MD123 unknown action
MD124  needs a managed process that the component does not have
MD125  nothing to watch
MD126  an agent that cannot be loaded, or settings of one that is not there
MD130  a secret that cannot be read
MD140  an override of the wrong form; MD141 one that leads nowhere
MD150  the file cannot be read
MD160  cannot change while mendel runs
====== ==========================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct

from ..core.levels import Level
from ..core.policy import PolicyConfig
from ..core.pressure import ResourcesConfig
from ..core.ranking.ranking import RankingConfig
from ..core.restarts import SupervisorSpec
from ..core.topology import Kind
from ..documents.document import Document, environment_overrides, option_override
from ..documents.files import refuse_all, text_of
from ..documents.reader import Check, read
from ..errors import ConfigError, Problem
from .checks import FORMATS, find_contradictions, secret_check
from .door import WebConfig
from .layers import DefaultsConfig as DefaultsConfig
from .layers import KindConfig, Layers, LevelConfig
from .pauses import MaintenanceSpec
from .specs import ComponentSpec, Name, Secret
from .store.config import StoreConfig
from .telemetry.config import OtlpConfig

T = TypeVar("T", bound=Struct)

PluginPath = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class RuntimeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a runtime keeps its things and how much it says.

    Attributes:
        state: folder of the store, the control socket and logs; relative to the file.
        log_level: least important lines that are logged.
        log_format: lines for people (``text``), or a JSON object a line (``json``).
        keep_circuits: whether open circuits of guarded calls stay open over a restart.
        keep_learned_s: how often what was learned of metrics (what is usual, and when) is written
            down, so that a restart or a crash does not begin with a learning period; 0 for never.
        seed: of everything random (jitter); the same seed, the same choices.
        reload: when the file is read again: when it has changed (``watch``), on SIGHUP
            (``signal``), or never by itself (``off``); `mendel reload` always does.
    """

    state: Annotated[str, Meta(min_length=1)] = ".mendel"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    keep_circuits: bool = False
    keep_learned_s: Annotated[float, Meta(ge=0)] = 300.0
    seed: Annotated[int, Meta(ge=0)] = 0
    reload: Literal["watch", "signal", "off"] = "signal"


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration file.

    Attributes:
        runtime: where the runtime keeps its things.
        policy: the limits of what mendel may do by itself.
        defaults: what holds for all components.
        levels: what holds for the components of one level; see `mendel.runtime.layers`.
        kinds: what holds for the components of one kind.
        resources: what mendel itself may use.
        ranking: how experience is weighed, for components whose level ranks what is tried.
        store: how the past is written, and how long it is kept.
        web: where the page and the HTTP API are served; ``mendel run`` serves them anyway.
        otlp: where metrics and logs are sent to.
        supervisor: how agents that crash are restarted.
        maintenance: announced windows in which nothing is done.
        agents: plug-ins to load, each as ``package:Class``.
        agent: settings by name of the agent, ours and plug-ins; their types are the agents' own.
        components: what is watched and healed.
    """

    runtime: RuntimeConfig = RuntimeConfig()
    policy: PolicyConfig = PolicyConfig()
    defaults: DefaultsConfig = DefaultsConfig()
    levels: dict[Level, LevelConfig] = {}
    kinds: dict[Kind, KindConfig] = {}
    resources: ResourcesConfig = ResourcesConfig()
    ranking: RankingConfig = RankingConfig()
    store: StoreConfig = StoreConfig()
    web: WebConfig | None = None
    otlp: OtlpConfig | None = None
    supervisor: SupervisorSpec = SupervisorSpec()
    maintenance: tuple[MaintenanceSpec, ...] = ()
    agents: tuple[PluginPath, ...] = ()
    agent: dict[Name, dict[str, Any]] = {}
    components: tuple[ComponentSpec, ...] = ()

    @property
    def layers(self) -> Layers:
        """What single components are laid over."""
        return Layers(defaults=self.defaults, levels=self.levels, kinds=self.kinds)


class Overrides(Struct, frozen=True):
    """What is laid over the text of a file, each time that it is read.

    Attributes:
        environ: where overrides and secrets are looked up.
        settings: options as ``key=value``, in order.
        mode: short for the setting ``policy.mode``, or None.
    """

    environ: Mapping[str, str]
    settings: tuple[str, ...] = ()
    mode: str | None = None

    def lay_over(self, document: Document) -> list[Problem]:
        """Override values of a document; what cannot be is told."""
        problems: list[Problem] = []
        overrides = environment_overrides(self.environ)
        for setting in self.settings:
            try:
                overrides.append(option_override(setting))
            except ConfigError as error:
                problems += error.problems
        if self.mode is not None:
            overrides.append((("policy", "mode"), self.mode, f"--mode {self.mode}"))
        for keys, text, source in overrides:
            try:
                document.override(keys, text, source)
            except ConfigError as error:
                problems += error.problems
        return problems


class Loaded(Struct, frozen=True):
    """A configuration that was read, and where from.

    Attributes:
        config: what it says.
        path: the file, absolute.
        document: the text behind it, for messages about single values.
        overrides: what was laid over the text.
    """

    config: Config
    path: Path
    document: Document
    overrides: Overrides

    @property
    def base(self) -> Path:
        """The folder that relative paths in the configuration start from."""
        return self.path.parent

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.base / self.config.runtime.state

    def again(self, text: str | None = None, name: str = "") -> Loaded:
        """Read the file again with the same overrides, or another text in its place.

        Raises:
            ConfigError: with every problem that was found, in the order of the file.
        """
        if text is None:
            return _read(_text_of(self.path), self.document.name, self.path, self.overrides)
        return _read(text, name, self.path, self.overrides)

    def agent_settings(self, name: str, kind: type[T]) -> T:
        """Settings of one agent, as its own type.

        Args:
            name: of the agent; without a section ``[agent.NAME]`` all fields have their defaults.
            kind: its type of configuration.

        Raises:
            ConfigError: with every mistake in the section.
        """
        if name not in self.config.agent:
            return kind()
        value, problems = read(kind, self.document, ("agent", name), formats=FORMATS)
        if value is None:
            raise ConfigError(f"settings of agent {name!r} are invalid", problems)
        return value


def load(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] | None = None,
    settings: Iterable[str] = (),
    mode: str | None = None,
) -> Loaded:
    """Read a configuration file.

    Args:
        path: the file.
        environ: where overrides and secrets are looked up; by default the process environment.
        settings: overrides as ``key=value``, in order.
        mode: short for the setting ``policy.mode``.

    Raises:
        ConfigError: with every problem that was found, in the order of the file.
    """
    overrides = Overrides(os.environ if environ is None else environ, tuple(settings), mode)
    return _read(_text_of(path), os.fspath(path), Path(path).absolute(), overrides)


def parse(text: str, name: str) -> Loaded:
    """Read a configuration that stands in no file, such as one that a store has kept.

    Args:
        text: the whole of it; what it leaves to the environment is looked up there.
        name: for messages.

    Raises:
        ConfigError: as for `load`.
    """
    return _read(text, name, Path(name).absolute(), Overrides(os.environ, (), None))


def told(settings: Mapping[str, Any], kind: type[T], name: str = "settings") -> T:
    """Settings that a program tells as a mapping, in every spelling that a file may have.

    Args:
        settings: the fields, tables as mappings.
        kind: what they are settings of: a `Config`, or a part of one.
        name: what to call them in messages.

    Raises:
        ConfigError: its text has every problem that was found, and where.
    """
    document = Document.told(settings, name)
    checks: dict[type, Check] = {Secret: secret_check(os.environ, Path())}
    value, problems = read(kind, document, formats=FORMATS, checks=checks)
    if value is None:
        raise ConfigError(f"{name}: {'; '.join(map(_in_a_line, problems))}", problems)
    return value


def _in_a_line(problem: Problem) -> str:
    place = f"{problem.place}: " if problem.place else ""
    help_ = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{place}{problem.message}{help_}"


def _text_of(path: str | os.PathLike[str]) -> str:
    return text_of(
        path,
        noun="configuration",
        usual_name="mendel.toml",
        start="[[components]] and name = ...",
        writer="mendel init",
    )


def _read(text: str, name: str, path: Path, overrides: Overrides) -> Loaded:
    document = Document(text, name)
    problems = overrides.lay_over(document)
    config, found = read(
        Config,
        document,
        formats=FORMATS,
        checks={Secret: secret_check(overrides.environ, path.parent)},
    )
    problems += found
    problems += find_contradictions(document)
    if config is None or problems:
        refuse_all(name, problems)
    return Loaded(config, path, document, overrides)
