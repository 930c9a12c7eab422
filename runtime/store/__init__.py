"""The durable journal in SQLite, and what people ask of it."""

from .archive import Archive
from .config import StoreConfig
from .store import Store
from .writer import StoreStats

__all__ = ["Archive", "Store", "StoreConfig", "StoreStats"]
