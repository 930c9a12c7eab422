"""What holds for all tests."""

from hypothesis import settings

# How long one example takes tells what else the machine is doing, nothing about the code.
settings.register_profile("mendel", deadline=None)
settings.load_profile("mendel")
