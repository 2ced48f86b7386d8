"""The old UDP form: one datagram asks, one answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.nutdatagram import ANSWER_LIMIT, answer

VALUES = {"ups.status": "OL", "ups.load": "14", "input.voltage": "230.1"}


class Ward:
    version = "vmodem 1"

    def values(self, ups: str) -> Mapping[str, str] | str:
        return {"": VALUES, "office": VALUES, "old": "DATA-STALE", "off": "DRIVER-NOT-CONNECTED"}.get(
            ups.lower(), "UNKNOWN-UPS"
        )

    def logins(self, ups: str) -> int | str:
        return 2 if ups in ("", "office") else "UNKNOWN-UPS"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (b"REQ STATUS", b"ANS STATUS OL"),
        (b"req utility@Office\r\n", b"ANS utility@Office 230.1"),
        (b"REQ BATTPCT", b"ANS BATTPCT NOT-SUPPORTED"),
        (b"REQ nonsense", b"ANS nonsense NOT-SUPPORTED"),
        (b"REQ STATUS@old", b"ANS STATUS@old DATA-STALE"),
        (b"REQ STATUS@off", b"ANS STATUS@off DRIVER-NOT-CONNECTED"),
        (b"REQ STATUS@nobody", b"ERR UNKNOWN-UPS"),
        (b"REQ STATUS@", b"ERR UNKNOWN-UPS"),
        (b"REQ NUMLOGINS@office", b"ANS NUMLOGINS@office 2"),
        (b"REQ", b"ERR UNKNOWN-COMMAND"),
        (b"LISTVARS\n", b"VARS STATUS UTILITY LOADPCT"),
        (b"LISTVARS office", b"VARS @office STATUS UTILITY LOADPCT"),
        (b"LISTVARS old", b"ERR DATA-STALE"),
        (b"GET VAR office ups.load", b'VAR office ups.load "14"'),
        (b"GET VAR office ups.foo", b"ERR VAR-NOT-SUPPORTED"),
        (b"GET VAR nobody ups.load", b"ERR UNKNOWN-UPS"),
        (b"VER", b"vmodem 1"),
        (b"HELP", b"Commands: HELP VER LISTVARS REQ GET"),
        (b"SET VAR office ups.load 1", b"ERR UNKNOWN-COMMAND"),
        (b"FSD office", b"ERR UNKNOWN-COMMAND"),
        (b"LIST VAR office", b"ERR UNKNOWN-COMMAND"),
    ],
)
def test_answers(question: bytes, reply: bytes) -> None:
    assert answer(question, 40000, Ward()) == reply + b"\r\n"


@pytest.mark.parametrize(
    "question",
    [
        b"",
        b"\r\n",
        b"REQ STATUS\nREQ STATUS",
        b"REQ \xff",
        b"REQ \x01",
        b"ANS STATUS OL",
        b"ERR x",
        b"x" * 600,
    ],
)
def test_silence(question: bytes) -> None:
    assert answer(question, 40000, Ward()) is None


def test_another_server_is_never_answered() -> None:
    assert answer(b"REQ STATUS", 3493, Ward()) is None


@given(st.binary(max_size=600))
def test_answers_are_bounded_and_one_line(question: bytes) -> None:
    found = answer(question, 40000, Ward())
    assert found is None or (len(found) <= ANSWER_LIMIT and found.count(b"\n") == 1)
