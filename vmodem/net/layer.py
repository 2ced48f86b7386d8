"""What lies between a connection and its user: telnet, TLS and the like, each a stream over a stream.

A layer that needs to talk to its peer first is *opened*: the function that begins it returns an
:class:`Opening` and later calls exactly one of ``opened(stream)`` and ``failed(reason)``, never before it
returned and neither after ``cancel()``.  Until ``opened`` the stream below belongs to the opening; when it
is cancelled the stream below is aborted, when it fails aborted or closed in order, so that the peer learns
why.  The stream handed over is not started.

A layer that can talk at any time is simply made over the stream below.

What does not belong here: deadlines of a call (whoever asked cancels).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from vmodem.net.stream import Stream

Opened = Callable[[Stream], None]
OpenFailed = Callable[[str], None]


class Opening(Protocol):
    """A layer that is being agreed with the peer."""

    def cancel(self) -> None:
        """Give up: no timer is left, the stream below is aborted, neither callback is called any more."""
