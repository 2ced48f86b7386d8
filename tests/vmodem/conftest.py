"""Fixtures for everything that runs on a reactor."""

from tests.helpers.reactors import reactor

__all__ = ["reactor"]
