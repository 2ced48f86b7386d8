"""The quoting of endpoint strings, which LISTEN and TARGET share with Twisted's."""

from __future__ import annotations


def split_endpoint(text: str) -> list[str]:
    """The parts of an endpoint string: ``:`` separates; ``\\:``, ``\\=`` and ``\\\\`` are characters."""
    parts = [""]
    escaped = False
    for char in text:
        if escaped:
            parts[-1] += char if char in ":\\=" else "\\" + char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ":":
            parts.append("")
        else:
            parts[-1] += char
    if escaped:
        parts[-1] += "\\"
    return parts
