"""Spellings of addresses."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.net.address import destination, literal, printable


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("010.000.000.001", "10.0.0.1"),  # padded, as devices write it: decimal
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("[::1]", "::1"),
        ("FE80::1%eth0", "fe80::1"),
        ("a.b", None),
        ("bad", None),
        ("256.1.1.1", None),
        ("1.2.3.4.5", None),
        ("99999999999", None),
        ("0x1ffffffff", None),
        ("::zz", None),
        ("", None),
        ("1.2.3.4 x", None),
        ("1.2.3.4\n", None),
    ],
)
def test_literal(host: str, ip: str | None) -> None:
    found = literal(host)
    assert (str(found[0]) if found is not None else None) == ip


def test_destination() -> None:
    where = destination(ipaddress.ip_address("10.0.0.1"), 23)
    assert (where.family, where.sockaddr, where.printable) == (
        socket.AF_INET,
        ("10.0.0.1", 23),
        "10.0.0.1:23",
    )
    where = destination(ipaddress.ip_address("fe80::1"), 23, "lo")
    assert where.sockaddr == ("fe80::1", 23, 0, socket.if_nametoindex("lo"))
    assert where.printable == "[fe80::1%lo]:23"
    with pytest.raises(OSError):
        destination(ipaddress.ip_address("fe80::1"), 23, "nosuchif")


def test_printable() -> None:
    assert printable(("10.0.0.1", 5)) == "10.0.0.1:5"
    assert printable(("::1", 5, 0, 0)) == "[::1]:5"
    assert printable(("::ffff:10.0.0.1", 5, 0, 0)) == "10.0.0.1:5"
    assert printable(("fe80::1", 5, 0, 3)) == "[fe80::1%3]:5"
    assert printable("") == "unix"
    assert printable("/run/x") == "unix:/run/x"
    assert printable(b"\0abc") == "unix:\0abc"


@given(st.text(max_size=60))
def test_any_text(host: str) -> None:
    literal(host)
