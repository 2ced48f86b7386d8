"""What the operator says about TLS, checked as far as it can be without touching a file.

What does not belong here: reading the files and talking TLS (``tls``); this module is light, so that whoever
reads configuration can name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Hexadecimal digits of a SHA-256.
PIN_DIGITS: Final = 64


class TlsError(Exception):
    """TLS cannot be had as it was asked for; the text is one sentence naming the file and the remedy."""


@dataclass(frozen=True)
class TlsClientSettings:
    """How to call somebody over TLS.

    The peer's certificate must be for ``server_name`` (a host name or an IP address) and lead to an authority
    in the file ``ca``, or of the system without one.  ``pin``, the SHA-256 of the peer's certificate (as DER,
    in hexadecimal; colons and case do not count), replaces both checks: that very certificate is accepted,
    and no other.  ``cert`` and ``key`` are files with a certificate of our own for peers that ask for one;
    without ``key`` the key is in ``cert`` too.
    """

    server_name: str
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    pin: str | None = None


@dataclass(frozen=True)
class TlsServerSettings:
    """How to be called over TLS: files with our certificate (and what leads from it to its authority) and its
    key.  With ``clientca``, a file of authorities, callers must have a certificate from one of them."""

    cert: str
    key: str
    clientca: str | None = None


def check_client(settings: TlsClientSettings) -> None:
    """Whether the settings make sense together.  Raises :class:`TlsError`."""
    if settings.pin is not None:
        parse_pin(settings.pin)
    if settings.pin is not None and settings.ca is not None:
        raise TlsError("ca= and pin= exclude each other: a pin is the whole check; leave one of them away")
    if settings.key is not None and settings.cert is None:
        raise TlsError(f"key={settings.key} is of no use without a certificate; add cert=FILE")


def parse_pin(text: str) -> bytes:
    """The SHA-256 that ``text`` means.  Raises :class:`TlsError`."""
    digits = text.replace(":", "").strip()
    try:
        pin = bytes.fromhex(digits) if len(digits) == PIN_DIGITS else b""
    except ValueError:
        pin = b""
    if len(pin) * 2 != PIN_DIGITS:
        raise TlsError(
            f'pin="{text}" is not {PIN_DIGITS} hexadecimal digits; take what '
            '"openssl x509 -noout -fingerprint -sha256 -in FILE" prints'
        )
    return pin


def show_pin(pin: bytes) -> str:
    """A SHA-256 as it may be given for ``pin``."""
    return pin.hex()
