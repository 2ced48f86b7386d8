"""From when until when a certificate is valid (RFC 5280 clause 4.1), read from its DER.

What does not belong here: whether it is to be trusted, and everything else that is in it.
"""

from __future__ import annotations

import binascii
import calendar
import re
import time
from typing import Final

_SEQUENCE, _VERSION, _UTC, _GENERALIZED = 0x30, 0xA0, 0x17, 0x18
#: What stands before the validity: serial number, signature algorithm, issuer.
_BEFORE: Final = 3
_BLOCK: Final = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END", re.ASCII
)


def certificates(pem: bytes) -> list[bytes]:
    """The DER of every certificate in a PEM file (RFC 7468); blocks that are damaged are passed over."""
    found = []
    for block in _BLOCK.finditer(pem):
        try:
            found.append(binascii.a2b_base64(block[1]))
        except ValueError:
            continue
    return found


def validity(der: bytes) -> tuple[int, int]:
    """First and last moment at which a certificate is valid, in seconds since 1970.  Raises ValueError."""
    at, _ = _inside(der, 0, len(der), _SEQUENCE)
    at, end = _inside(der, at, len(der), _SEQUENCE)
    if der[at : at + 1] == bytes((_VERSION,)):
        at = _element(der, at, end)[2]
    for _ in range(_BEFORE):
        at = _element(der, at, end)[2]
    at, end = _inside(der, at, end, _SEQUENCE)
    first, at = _time(der, at, end)
    last, _ = _time(der, at, end)
    return first, last


def _element(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, beginning and end of the contents of the element at ``at``, which must end by ``end``."""
    header = der[at : at + 2]
    if len(header) < 2 or at + 2 > end:
        raise ValueError("it ends too early")
    tag, size, at = header[0], header[1], at + 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or at + count > end:
            raise ValueError("a length is wrong")
        size, at = int.from_bytes(der[at : at + count], "big"), at + count
    if at + size > end:
        raise ValueError("it ends too early")
    return tag, at, at + size


def _inside(der: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    tag, at, end = _element(der, at, end)
    if tag != wanted:
        raise ValueError("it is no certificate")
    return at, end


def _time(der: bytes, at: int, end: int) -> tuple[int, int]:
    """A time (clause 4.1.2.5), and where it ends."""
    tag, at, end = _element(der, at, end)
    text = der[at:end].decode("ascii", "replace")
    if tag == _UTC and len(text) == 13:
        text = ("19" if text[0] >= "5" else "20") + text
    elif tag != _GENERALIZED:
        raise ValueError("a time was expected")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")), end
