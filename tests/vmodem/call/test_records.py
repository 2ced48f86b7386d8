"""What is written for name servers, Avahi and HAProxy."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.call.directory import Directory, Entry
from vmodem.call.records import FORMATS, Line, Lines, Number, RecordError, Records, from_directory, render
from vmodem.call.target import parse_target
from vmodem.wire.ddds import rewritten
from vmodem.wire.dnssd import AnnouncementError, Service

BANK = Lines("bank.example", (Line("a.example", 8001, 1), Line("b.example.", 8002, 2, 5)), bind="2323")
RECORDS = Records(
    "e164.example.net",
    (Number("5551234", "tcp:bbs.example.net:23"), Number("5550000", "vmodem:bank.example", 10, 20)),
    (BANK,),
    left_out=("555*: a pattern",),
)


def test_dnsmasq() -> None:
    assert render("dnsmasq", RECORDS).splitlines() == [
        "# 555*: a pattern",
        "naptr-record=4.3.2.1.5.5.5.e164.example.net,100,10,u,E2U+vmodem,!^.*$!tcp:bbs.example.net:23!",
        "naptr-record=0.0.0.0.5.5.5.e164.example.net,10,20,u,E2U+vmodem,!^.*$!vmodem:bank.example!",
        "srv-host=_vmodem._tcp.bank.example,a.example,8001,1,0",
        "srv-host=_vmodem._tcp.bank.example,b.example,8002,2,5",
    ]


def test_zone() -> None:
    assert render("zone", RECORDS).splitlines() == [
        "; 555*: a pattern",
        '4.3.2.1.5.5.5.e164.example.net. IN NAPTR 100 10 "u" "E2U+vmodem" "!^.*$!tcp:bbs.example.net:23!" .',
        '0.0.0.0.5.5.5.e164.example.net. IN NAPTR 10 20 "u" "E2U+vmodem" "!^.*$!vmodem:bank.example!" .',
        "_vmodem._tcp.bank.example. IN SRV 1 0 8001 a.example.",
        "_vmodem._tcp.bank.example. IN SRV 2 5 8002 b.example.",
    ]


def test_what_means_something_is_escaped() -> None:
    records = Records("x", (Number("1", 'tcp:a!b,"c\\\\d:23'),))
    assert '"!^.*$!tcp:a\\\\!b,\\"c\\\\\\\\\\\\\\\\d:23!"' in render("dnsmasq", records)
    (line,) = render("zone", Records("x", (Number("1", "tcp:b\u00fccher.example:23"),))).splitlines()
    assert line.endswith('"!^.*$!tcp:b\\195\\188cher.example:23!" .')


@given(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=30))
def test_a_reader_finds_the_same_target(host: str) -> None:
    uri = f"tcp:{host}:23"
    try:
        written = render("zone", Records("x", (Number("5551234", uri),)))
    except RecordError:
        return
    quoted = written.split(" ", 7)[7].rsplit(" ", 1)[0][1:-1]
    data, at = bytearray(), 0
    while at < len(quoted):
        code = quoted[at + 1 : at + 4]
        if quoted[at] != "\\":
            data += quoted[at].encode()
            at += 1
        elif code.isdigit() and len(code) == 3:
            data.append(int(code))
            at += 4
        else:
            data += quoted[at + 1].encode()
            at += 2
    assert rewritten(data.decode(), "5551234") == uri


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (Records("", (Number("1", "echo:"),)), "tree hangs"),
        (Records("x", (Number("555*", "echo:"),)), "digits"),
        (Records("x", (Number("1", "exec:/bin/sh"),)), "exec:"),
        (Records("x", (Number("1", "unix:/run/x"),)), "unix:"),
        (Records("x", (Number("1", "line:front"),)), "line:"),
        (Records("x", (Number("1", "tls:a:1:ca=/x"),)), "ca="),
        (Records("x", (Number("1", "nonsense"),)), "kind of target"),
        (Records("x", (Number("1", "vmodem:a b"),)), "vmodem:HOST"),
        (Records("x", (Number("1", f"tcp:{'x' * 250}:23"),)), "longer"),
        (Records("x", (Number("1", "echo:", 70000),)), "65535"),
        (Records("a..b", (Number("1", "echo:"),)), "parts"),
        (Records("a\nb", (Number("1", "echo:"),)), "host name"),
        (Records("", (), (Lines("bank", (Line("192.0.2.1", 1),)),)), "needs a host name"),
        (Records("", (), (Lines("bank", (Line("a b", 1),)),)), "no host name"),
        (Records("", (), (Lines("ba nk", ()),)), "no host name"),
        (Records("", (), (Lines("bank", (Line("a", 0),)),)), "65536"),
    ],
)
def test_what_a_name_server_cannot_hold(records: Records, why: str) -> None:
    for form in ("dnsmasq", "zone"):
        with pytest.raises(RecordError, match=why):
            render(form, records)


def test_every_mistake_is_told() -> None:
    records = Records("x", (Number("a", "echo:"), Number("1", "b")), (Lines("c d", ()),))
    with pytest.raises(RecordError) as caught:
        render("zone", records)
    assert len(str(caught.value).splitlines()) == 3


def test_comments_hold_nothing_else() -> None:
    assert render("zone", Records(left_out=("a\nb\x1b",))) == "; a?b?\n"


def test_avahi() -> None:
    (service,) = ElementTree.fromstring(
        render("avahi", Records(services=(Service('<Front> & "1"', 8001, "5551000"),)))
    ).iter("service-group")
    assert service.findtext("name") == '<Front> & "1"'
    assert service.findtext("service/type") == "_vmodem._tcp"
    assert service.findtext("service/port") == "8001"
    assert [each.text for each in service.iter("txt-record")] == ["number=5551000", 'name=<Front> & "1"']


def test_avahi_of_several_is_a_file_each() -> None:
    text = render("avahi", Records(services=(Service("a--b", 1, "1"), Service("b", 2, "2"))))
    files = text.split("<?xml")[1:]
    assert len(files) == 2
    for each in files:
        assert ElementTree.fromstring("<?xml" + each).tag == "service-group"
    with pytest.raises(RecordError, match="file name"):
        render("avahi", Records(services=(Service("a/b", 1, "1"), Service("b", 2, "2"))))
    with pytest.raises(RecordError, match="none"):
        render("avahi", Records())


@pytest.mark.parametrize(
    ("name", "port", "number"),
    [
        ("", 1, "1"),
        ("x" * 64, 1, "1"),
        ("a\nb", 1, "1"),
        ("a", 0, "1"),
        ("a", 65536, "1"),
        ("a", 1, ""),
        ("a", 1, "1a"),
    ],
)
def test_what_cannot_be_announced(name: str, port: int, number: str) -> None:
    with pytest.raises(AnnouncementError):
        Service(name, port, number)


def test_haproxy() -> None:
    lines = render("haproxy", Records(lines=(BANK,))).splitlines()
    assert "frontend vmodem-bank.example" in lines
    assert "    bind :2323" in lines
    assert [line.strip() for line in lines if "server line" in line] == [
        "server line1 a.example:8001 send-proxy maxconn 1",
        "server line2 b.example.:8002 send-proxy maxconn 1",
    ]


@pytest.mark.parametrize(
    ("group", "why"),
    [
        (Lines("bank", (Line("a", 1),)), "to listen on"),
        (Lines("bank", (Line("a", 1),), "x:y"), "to listen on"),
        (Lines("bank", (Line("a", 1),), "a b:1"), "to listen on"),
        (Lines("ba nk", (Line("a", 1),), "1"), "name for HAProxy"),
        (Lines("bank", (Line("a\nb", 1),), "1"), "place to connect"),
        (Lines("bank", (), "1"), "no line"),
    ],
)
def test_what_haproxy_cannot_do(group: Lines, why: str) -> None:
    with pytest.raises(RecordError, match=why):
        render("haproxy", Records(lines=(group,)))
    with pytest.raises(RecordError, match="there is none"):
        render("haproxy", Records())


def test_unknown_format() -> None:
    with pytest.raises(RecordError, match="dnsmasq, zone, avahi, haproxy"):
        render("bind", RECORDS)
    assert next(iter(FORMATS)) == "dnsmasq"


def test_directory() -> None:
    keys = {"555 12-34": "tcp:a:1", "555*": "tcp:a:1", "bbs": "tcp:a:1", "7": "exec:/bin/login", "8": "echo:"}
    keys["9"] = "group:bank"
    numbers, left_out = from_directory(
        Directory({key: Entry(parse_target(uri)) for key, uri in keys.items()})
    )
    assert numbers == (Number("5551234", "tcp:a:1"), Number("8", "echo:"))
    assert [each.partition(":")[0] for each in left_out] == ["555*", "bbs", "7", "9"]
