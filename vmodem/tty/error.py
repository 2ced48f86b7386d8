"""What goes wrong for good with a terminal or with the way it is written."""

from __future__ import annotations


class TtyError(Exception):
    """What was asked for cannot be had; the text is one clear sentence with its remedy."""
