"""What the documentation says is true: its examples run."""

import doctest
import importlib
import pkgutil

import mendel
import pytest

NOT_OURS = ("mendel.tests", "mendel.docs", "mendel.benchmarks", "mendel.examples", "mendel.build")


def modules() -> list[str]:
    """Names of all modules of the package; the root holds folders that are not of it."""
    found = (module.name for module in pkgutil.walk_packages(mendel.__path__, "mendel."))
    return ["mendel", *(name for name in found if not name.startswith(NOT_OURS))]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)

    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
