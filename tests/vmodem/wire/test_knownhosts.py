"""Lines of known_hosts files."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.knownhosts import LINE_LIMIT, KnownKey, find, host_name

BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
KEY = "ssh-ed25519 " + base64.b64encode(BLOB).decode()


def keys(text: str, name: str) -> list[KnownKey]:
    return list(find(text.encode().splitlines(keepends=True), name))


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("host.example", "host.example", 22),
        ("host.example", "HOST.Example", 22),
        ("other,host.example,192.0.2.1", "192.0.2.1", 22),
        ("*.example", "host.example", 22),
        ("host?example", "host.example", 22),
        ("[host.example]:2222", "host.example", 2222),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222),
        ("2001:db8::1", "2001:db8::1", 22),
        ("[*]:2222", "host.example", 2222),
    ],
)
def test_names(names: str, host: str, port: int) -> None:
    assert keys(f"{names} {KEY} comment\n", host_name(host, port)) == [KnownKey("ssh-ed25519", BLOB, 1)]


@pytest.mark.parametrize(
    "names",
    [
        "host.example.org",
        "xhost.example",
        "hostxexample",
        "*.example,!host.example",
        "!host.example",
        "[host.example]:22",
        "[host.example]:2222",
        "|1|AAAA|AAAA",
        "|1|%%%|AAAA",
        "|1|",
        "|2|AAAA|AAAA",
        "#host.example",
        "# host.example",
    ],
)
def test_other_names(names: str) -> None:
    assert keys(f"{names} {KEY}\n", "host.example") == []


def test_hashed() -> None:
    import hashlib
    import hmac

    salt = bytes(range(20))
    digest = hmac.new(salt, b"[host.example]:2222", hashlib.sha1).digest()
    names = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    assert keys(f"{names} {KEY}", host_name("Host.example", 2222))
    assert not keys(f"{names} {KEY}", "host.example")


def test_markers_and_lines() -> None:
    text = (
        "\n# nothing\n"
        f"@revoked host.example {KEY}\r\n"
        f"@cert-authority host.example {KEY}\n"
        "host.example ssh-ed25519\n"
        "host.example ssh-ed25519 not-base64!\n"
        f"host.example {KEY} {'x' * LINE_LIMIT}\n"
        f"\thost.example   {KEY}\n"
    )
    assert keys(text, "host.example") == [
        KnownKey("ssh-ed25519", BLOB, 3, revoked=True),
        KnownKey("ssh-ed25519", BLOB, 8),
    ]


@given(st.lists(st.binary(max_size=200)), st.text(max_size=20))
def test_any_line_at_all(lines: list[bytes], name: str) -> None:
    list(find(lines, name))
