"""How a target is watched, and which detectors that makes for each of its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct, structs

from ..detection.detect import DEFAULT_THRESHOLDS, Threshold, ThresholdDetector
from ..detection.detect_adaptive import AdaptiveDetection, AdaptiveDetector
from ..detection.forecast import ForecastConfig
from ..detection.foresight import FILLING, ForecastDetector
from ..detection.usual import UsualDetector, UsualLine, usual_line
from ..levels import Abilities
from ..load import LoadSigns
from ..roles import role_of

Detector = ThresholdDetector | AdaptiveDetector | UsualDetector | ForecastDetector
Learner = AdaptiveDetector | UsualDetector | ForecastDetector
HowJudged = Threshold | AdaptiveDetection | UsualLine | ForecastConfig


class WatchConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a target is watched.

    Attributes:
        thresholds: by metric; they replace or complete the defaults of `core/detection/detect.py`.
        adaptive: metrics that are compared with their own past, beside their threshold if they
            have one, and how.
        confirm_s: a target that is not healthy is looked at this often, if that is sooner than
            its probe's own interval: doubts are settled fast, both ways.
        silent_s: without a sample for this long a probe counts as silent; never less than three
            of its intervals.
        usual: whether metrics that have neither are compared with what is usual for them, as far
            as their name tells what they speak of; levels that adapt do so by themselves.
        window_rows: how many readings are kept for the record of an incident.
        forecast: when a metric that fills up is a reason to act; ``None`` at levels that do not
            forecast.
        load: when it is overloaded; ``None`` at levels that do not control load.
    """

    thresholds: dict[str, Threshold] = {}
    adaptive: dict[str, AdaptiveDetection] = {}
    confirm_s: Annotated[float, Meta(gt=0)] = 0.25
    silent_s: Annotated[float, Meta(gt=0)] = 10.0
    usual: bool = False
    window_rows: Annotated[int, Meta(ge=1, le=10_000)] = 120
    forecast: ForecastConfig | None = ForecastConfig()
    load: LoadSigns | None = LoadSigns()


def fitted(config: WatchConfig, abilities: Abilities) -> WatchConfig:
    """How a component is watched on a level that has these abilities."""
    return structs.replace(
        config,
        forecast=config.forecast if abilities.forecasts else None,
        load=config.load if abilities.controls_load else None,
        usual=config.usual or abilities.adapts,
    )


def configs_of(config: WatchConfig, metric: str) -> list[HowJudged]:
    """How a metric is judged: by its line, by its past, by what it will be, or not at all."""
    threshold = config.thresholds.get(metric) or DEFAULT_THRESHOLDS.get(metric)
    adaptive = config.adaptive.get(metric)
    usual = usual_line(metric) if config.usual and not (threshold or adaptive) else None
    forecast = config.forecast if role_of(metric) in FILLING else None
    return [each for each in (threshold, adaptive, usual, forecast) if each is not None]


def detector_of(config: HowJudged) -> Detector:
    """What judges a metric so."""
    match config:
        case Threshold():
            return ThresholdDetector(config)
        case ForecastConfig():
            return ForecastDetector(config)
        case UsualLine():
            return UsualDetector(config)
        case _:
            return AdaptiveDetector(config)


def exchanged(
    detectors: Iterable[Detector], configs: Iterable[HowJudged], rested: Mapping[HowJudged, Learner]
) -> tuple[tuple[Detector, ...], dict[HowJudged, Learner]]:
    """Detectors for other configs: those of now, those that rest, and fresh ones.

    Returns:
        What judges from now on, and what rests with what it has learned.
    """
    live: dict[HowJudged, Detector] = {each.config: each for each in detectors}
    found = tuple(live.pop(each) if each in live else _back(each, rested) for each in configs)
    resting: dict[HowJudged, Learner] = {
        name: each for name, each in live.items() if not isinstance(each, ThresholdDetector)
    }
    return found, resting


def _back(config: HowJudged, rested: Mapping[HowJudged, Learner]) -> Detector:
    """A detector that has to see good samples first; one that rested goes on with what it knows."""
    known = rested.get(config)
    detector = detector_of(config) if known is None else known.renewed()
    detector.ask_for_proof()
    return detector
