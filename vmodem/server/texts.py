r"""Texts of a configuration that are sent: banners, and what the device is told when clients come and go.

``\r``, ``\n``, ``\t``, ``\e`` (escape), ``\xHH`` and ``\\`` stand for bytes; ``{name}``, ``{date}``,
``{line}`` and ``{rate}`` for what they say.  Everything else is sent as it stands, in UTF-8.

What does not belong here: who is sent them, and when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SPECIAL: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))|\{(name|date|line|rate)\}", re.DOTALL)
_ESCAPES: Final = {"r": b"\r", "n": b"\n", "t": b"\t", "e": b"\x1b", "\\": b"\\"}


def expand(text: str, values: Mapping[str, str]) -> bytes:
    """``text`` as it is sent.  An escape that means nothing is sent as it is written."""
    sent = bytearray()
    at = 0
    for found in _SPECIAL.finditer(text):
        sent += text[at : found.start()].encode("utf-8", "replace")
        code, letter, name = found.groups()
        if code is not None:
            sent.append(int(code, 16))
        elif letter is not None:
            sent += _ESCAPES.get(letter, found[0].encode("utf-8", "replace"))
        else:
            sent += values.get(name, "").encode("utf-8", "replace")
        at = found.end()
    return bytes(sent + text[at:].encode("utf-8", "replace"))
