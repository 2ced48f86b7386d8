"""A real reactor for each test."""

from tests.helpers.reactors import reactor

__all__ = ["reactor"]
