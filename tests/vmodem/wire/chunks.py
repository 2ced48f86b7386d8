"""Cutting what arrives into chunks, and joining what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from vmodem.wire.events import Data, Send


def cuts(size: int) -> st.SearchStrategy[list[int]]:
    """Places to cut ``size`` bytes at."""
    return st.lists(st.integers(0, size), max_size=8).map(sorted)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in chunks; empty ones are left out, as no stream gives any."""
    edges = [0, *places, len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def tidy(events: Iterable[Any]) -> list[Any]:
    """Events with neighbours joined: how data and answers are cut means nothing."""
    tidied: list[Any] = []
    for event in events:
        last = tidied[-1] if tidied else None
        if isinstance(event, Data | Send) and type(last) is type(event):
            tidied[-1] = type(event)(last.data + event.data)
        else:
            tidied.append(event)
    return tidied


def feed(receive: Callable[[bytes], list[Any]], chunks: Iterable[bytes]) -> list[Any]:
    """What all chunks together meant."""
    return tidy(event for chunk in chunks for event in receive(chunk))


def sent(events: Iterable[Any]) -> bytes:
    """All answers."""
    return b"".join(event.data for event in events if isinstance(event, Send))


def data(events: Iterable[Any]) -> bytes:
    """All data."""
    return b"".join(event.data for event in events if isinstance(event, Data))


def talk(one: Any, other: Any, first: bytes = b"", second: bytes = b"", limit: int = 50) -> list[Any]:
    """Let two ends answer each other until they are silent; fails when they go on for ever.

    ``first`` is what ``one`` has said already, ``second`` what ``other`` has.  Returns the events of both.
    """
    events: list[Any] = []
    for _ in range(limit):
        if not first and not second:
            return events
        at_other, at_one = other.receive(first) if first else [], one.receive(second) if second else []
        events += [*at_one, *at_other]
        first, second = sent(at_one), sent(at_other)
    raise AssertionError(f"still talking after {limit} turns: {first!r} {second!r}")
