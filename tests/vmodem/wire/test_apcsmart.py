"""Replies, alerts and values of APC's smart protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmodem.wire.chunks import cut, cuts
from vmodem.wire import apcsmart as apc
from vmodem.wire.apcsmart import Alert, Alerted, Garbled, Reply


def asked(*, raw: bool = False, star: bool = False) -> apc.Replies:
    replies = apc.Replies()
    replies.expect(raw=raw, star=star)
    return replies


def test_a_reply() -> None:
    assert asked().receive(b"121.5\r\n") == [Reply(b"121.5")]


@pytest.mark.parametrize("place", range(7))
def test_an_alert_anywhere_in_a_reply(place: int) -> None:
    text = b"121.5\r\n"
    events = asked().receive(text[:place] + b"!" + text[place:])
    assert sorted(events, key=str) == [Alerted(Alert.ON_BATTERY, True), Reply(b"121.5")]


def test_alerts_between_replies() -> None:
    replies = apc.Replies()
    assert replies.receive(b"!%") == [
        Alerted(Alert.ON_BATTERY, True),
        Alerted(Alert.BATTERY_LOW, True),
    ]


def test_an_alert_amid_disturbance_is_not_certain() -> None:
    replies = apc.Replies()
    assert replies.receive(b"\xf3%") == [Alerted(Alert.BATTERY_LOW, False)]
    replies.expect()
    assert replies.receive(b"+") == [Alerted(Alert.BATTERY_NOT_LOW, True)]
    replies.spoil()
    assert replies.receive(b"%08\r\n") == [
        Alerted(Alert.BATTERY_LOW, False),
        Garbled("a character that is in no reply"),
    ]


def test_texts_that_hold_alerts() -> None:
    text = b"3.!$%+?=#|.QYRa"
    assert asked(raw=True).receive(text + b"\r\n") == [Reply(text)]
    assert apc.holds_alert(b"RACK#1")
    assert not apc.holds_alert(b"RACK 1")


def test_a_star_alone_is_a_reply_where_one_may_be() -> None:
    assert asked(star=True).receive(b"*") == [Reply(b"*")]
    assert asked().receive(b"*") == [Alerted(Alert.TURNING_OFF, True)]


@pytest.mark.parametrize("data", [b"08\n", b"\r\n", b"0\xf88\r\n", b"0\r8\r\n", b"x" * 3000 + b"\r\n"])
def test_garbled(data: bytes) -> None:
    (event,) = asked().receive(data)
    assert isinstance(event, Garbled)


def test_nothing_is_a_reply_that_nobody_asked_for() -> None:
    replies = asked()
    assert replies.receive(b"08\r\n10\r\n") == [Reply(b"08")]
    replies.expect()
    replies.receive(b"12")
    replies.idle()
    assert replies.receive(b"1.5\r\n") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"08", "OL"),
        (b"10", "OB"),
        (b"50", "OB LB"),
        (b"88", "OL RB"),
        (b"28", "OL OVER"),
        (b"09", "OL CAL"),
        (b"0A", "OL TRIM"),
        (b"0c", "OL BOOST"),
        (b"00", "OFF"),
        (b"18", None),
        (b"02", None),  # minutes of runtime
        (b"0E", None),
        (b"8", None),
        (b"008", None),
        (b"0G", None),
        (b"", None),
    ],
)
def test_status(text: bytes, words: str | None) -> None:
    found = apc.status(text)
    assert (found if found is None else " ".join(found)) == words


def test_alerts_change_words() -> None:
    words = ("OL", "TRIM")
    for alert, expected in (
        (Alert.ON_BATTERY, "OB"),
        (Alert.BATTERY_LOW, "OB LB"),
        (Alert.BATTERY_NOT_LOW, "OB"),
        (Alert.REPLACE_BATTERY, "OB RB"),
        (Alert.OVERLOAD, "OB RB OVER"),
        (Alert.NO_OVERLOAD, "OB RB"),
        (Alert.LOOK_AT_ALARMS, "OB RB"),
        (Alert.SETTING_CHANGED, "OB RB"),
        (Alert.TURNING_OFF, "OB RB"),
        (Alert.ON_LINE, "OL RB"),
    ):
        words = apc.after(words, alert)
        assert " ".join(words) == expected


@pytest.mark.parametrize(
    ("request_", "text", "value"),
    [
        (b"L", b"121.5", "121.5"),
        (b"P", b"023.4", "23.4"),
        (b"f", b"100.0", "100.0"),
        (b"g", b"024", "24"),
        (b"j", b"0327:", "19620"),
        (b"q", b"02", "120"),
        (b"E", b"336", "1209600"),
        (b"E", b"OFF", "OFF"),
        (b"G", b"O", "no transfers yet since turnon"),
        (b"X", b"NO", "No recent test"),
        (b"9", b"FF", "FF"),
        (b"k", b"0", "0"),
        (b"c", b"UPS_IDEN", "UPS_IDEN"),
        (b"\x01", b"SMART-UPS 700", "SMART-UPS 700"),
        (b"p", b"020", "20"),
        (b"L", b"OK", None),
        (b"L", b"12l.5", None),
        (b"L", b"1e5", None),
        (b"j", b"0327:0", None),
        (b"G", b"Z", None),
    ],
)
def test_values(request_: bytes, text: bytes, value: str | None) -> None:
    assert apc.BY_REQUEST[request_].value(text) == value


def test_what_a_ups_knows() -> None:
    assert apc.known(b"3.!$%+?=#|.QLO.x") == frozenset((b"Q", b"L", b"O", b"x"))
    for text in (b"", b"NA", b"3.!$%", b"!3.$.QL", b"3.$.Q"):
        assert apc.known(text) is None


def test_choices() -> None:
    text = b"#uD43127130133136uA43108110112114s431HMLL"
    assert apc.choices(text[:17], b"D") == {b"u": ("127", "130", "133", "136")}
    assert apc.choices(text[:17], b"A") == {}
    assert apc.choices(text, b"D") == {}  # one choice is missing at the end
    assert apc.choices(b"127", b"D") == {}
    assert apc.locale("50.9.D") == b"D"
    assert apc.locale("") == b""


@given(st.binary(max_size=100), st.data(), st.booleans())
def test_any_bytes_in_any_chunking(data: bytes, draw: st.DataObject, raw: bool) -> None:
    whole, pieces = asked(raw=raw), asked(raw=raw)
    expected = whole.receive(data)
    found = [event for chunk in cut(data, draw.draw(cuts(len(data)))) for event in pieces.receive(chunk)]
    assert found == expected
    assert sum(isinstance(event, Reply | Garbled) for event in expected) <= 1
    for event in expected:
        if isinstance(event, Reply):
            apc.status(event.text)
            apc.known(event.text)
            apc.choices(event.text, b"D")
            for row in apc.ROWS:
                value = row.value(event.text)
                assert value is None or value.isprintable()


@given(
    st.sampled_from([b"08", b"10", b"121.5", b"0327:"]),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(b"!$%+?=#|&*")), max_size=5),
)
def test_alerts_never_change_a_reply(text: bytes, alerts: list[tuple[int, int]]) -> None:
    line = bytearray(text + b"\r\n")
    for place, alert in alerts:
        line.insert(min(place, len(line) - 1), alert)
    events = asked().receive(bytes(line))
    assert [event for event in events if not isinstance(event, Alerted)] == [Reply(text)]
    assert len(events) == 1 + len(alerts)
