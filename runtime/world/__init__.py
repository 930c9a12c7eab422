"""The real world: probes that look at it, actions that change it, processes that mendel runs."""

from .secrets import resolve as resolve
from .world import RealWorld as RealWorld

__all__ = ["RealWorld", "resolve"]
