"""Draft a configuration from what is there: what listens on this machine, or what a file starts."""

from .draft import draft
from .foreign import read_foreign
from .machine import look
from .services import Service, Survey

__all__ = ["Service", "Survey", "draft", "look", "read_foreign"]
