"""The escape of vmodem dial."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.cli.escapes import Escapes


@pytest.mark.parametrize(
    ("typed", "sent", "hung_up"),
    [
        (b"hello", b"hello", False),
        (b"~.", b"", True),
        (b"a\r~.b", b"a\r", True),
        (b"a\n~.", b"a\n", True),
        (b"a~.", b"a~.", False),
        (b"~~.", b"~.", False),
        (b"~a", b"~a", False),
        (b"\r~\r~.", b"\r~\r", True),
        (b"~~\r~~~.", b"~\r~~.", False),
        (b"~", b"", False),
    ],
)
def test_escapes(typed: bytes, sent: bytes, hung_up: bool) -> None:
    escapes = Escapes()
    assert (escapes.take(typed), escapes.hung_up) == (sent, hung_up)
    escapes = Escapes()
    pieces = b"".join(escapes.take(bytes((byte,))) for byte in typed if not escapes.hung_up)
    assert (pieces, escapes.hung_up) == (sent, hung_up)


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\r", b"~", b".", b"\r~", b"~~"])))
def test_any_pieces(pieces: list[bytes]) -> None:
    """However it is cut, the same goes out; nothing is lost but what asks for the end."""
    whole = Escapes()
    wanted = whole.take(b"".join(pieces))
    cut = Escapes()
    sent = b""
    for piece in pieces:
        if not cut.hung_up:
            sent += cut.take(piece)
    assert (sent, cut.hung_up) == (wanted, whole.hung_up)
