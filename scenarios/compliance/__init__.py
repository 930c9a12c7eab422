"""For tests of whoever heals by the six verbs (`mendel.SelfHealing`): every promise, as a test.

Subclass `SelfHealingCompliance`, say how your healer is made, and let pytest find it::

    class TestMine(SelfHealingCompliance):
        def healer(self, patients):
            healer = MyHealer()
            for patient in patients:
                healer.watch(patient.name, {"restart": patient.restart}, patient.depends_on)
            return healer

Each test runs in virtual time on patients that fall ill, take their time to restart, and count what
is done to them. Nothing is asked of a healer but the verbs; that it is used as ``async with`` is
up to it. One whose components have levels (``change_level``) is tested for that as well.
"""

from __future__ import annotations

from .patients import Patient
from .strange import StrangePromises
from .verbs import VerbPromises

__all__ = ["Patient", "SelfHealingCompliance"]


class SelfHealingCompliance(VerbPromises, StrangePromises):
    """Every promise of the six verbs; subclass it with a name that pytest collects."""
