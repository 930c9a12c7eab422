"""Healing by direct calls: the cores of an estate without bus, agents or database."""
