"""From when until when certificates are valid."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.helpers.certificates import Certificates, certificates
from vmodem.wire.x509 import certificates as blocks
from vmodem.wire.x509 import validity

__all__ = ["certificates"]


def der(certificates: Certificates, since: float, days: float) -> bytes:
    (found,) = blocks(Path(certificates.leaf("x", since=since, days=days).cert).read_bytes())
    return found


def test_as_openssl_made_it(certificates: Certificates) -> None:
    """Before 2050 one kind of time is written, after it the other (RFC 5280 clause 4.1.2.5)."""
    for days in (3, 36500):
        first, last = validity(der(certificates, -1, days))
        assert abs(first - (time.time() - 86400)) < 3600
        assert last - first == days * 86400


def test_every_length_and_every_damage_is_an_error_or_a_time(certificates: Certificates) -> None:
    whole = der(certificates, -1, 3)
    for length in range(200):
        with pytest.raises(ValueError):
            validity(whole[:length])
    for place in range(200):
        for value in (0, 0x7F, 0x80, 0x84, 0xFF):
            try:
                validity(whole[:place] + bytes((value,)) + whole[place + 1 :])
            except ValueError:
                pass


def test_what_is_no_certificate() -> None:
    assert blocks(b"") == []
    assert blocks(b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n") == []
    assert blocks(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n") == []
