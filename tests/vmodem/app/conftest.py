"""Fixtures for programs of several modems."""

from tests.helpers.certificates import certificates
from tests.helpers.exchange import logged, world

__all__ = ["certificates", "logged", "world"]
