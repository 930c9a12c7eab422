"""The call path: ``guard("db")`` and what stands behind it; needs no runtime, bus or store."""
