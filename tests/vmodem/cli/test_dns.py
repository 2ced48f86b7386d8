"""vmodem dns: what is made of a configuration; how it is written is tests/vmodem/call/test_records.py's."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmodem.call.records import Line, Number
from vmodem.cli import main
from vmodem.cli.dns import FORMATS, records
from vmodem.config import parse_config

TEXT = """
[modem.front]
line = "pty:front"
number = "555-1000"
answer = ["tcp:8001:interface=127.0.0.1", "telnet:tcp:2301"]
[modem.spare]
line = "pty:spare"
number = "5551000"
answer = "tcp:2302"
[modem.local]
line = "pty:local"
number = "5551002"
answer = "tcp:8002:interface=127.0.0.1"
[modem.quiet]
line = "pty:quiet"
[group.bank]
modems = ["front", "local", "spare"]
answer = "tcp:2323"
[directory]
enum = "e164.example.net"
"5551234" = "tcp:bbs.example.net:23"
"555*" = "echo:"
"""


def test_numbers() -> None:
    found = records(parse_config(TEXT), "p.example.net")
    assert found.apex == "e164.example.net"
    assert found.numbers == (
        Number("5551234", "tcp:bbs.example.net:23"),
        Number("5551000", "telnet:p.example.net:2301", preference=10),
        Number("5551000", "tcp:p.example.net:2302", preference=20),
    )
    # Neighbours on the local network speak nothing but bytes.
    assert [(service.name, service.port, service.number) for service in found.services] == [
        ("spare", 2302, "5551000")
    ]
    said = "\n".join(found.left_out)
    assert "555*: a pattern" in said
    assert "modem local answers nowhere that others reach" in said


def test_groups() -> None:
    (group,) = records(parse_config(TEXT), "p.example.net").lines
    assert (group.host, group.bind) == ("bank.p.example.net", "2323")
    assert group.lines == (
        Line("p.example.net", 2301, 10, 1, proxied=False),
        Line("p.example.net", 2302, 30, 1, proxied=False),
    )


def test_on_this_machine_more_is_reached() -> None:
    """HAProxy connects from here."""
    (group,) = records(parse_config(TEXT), "p", local=True).lines
    assert [(line.target, line.port) for line in group.lines] == [
        ("127.0.0.1", 8001),
        ("127.0.0.1", 8002),
        ("127.0.0.1", 2302),
    ]


def test_what_only_this_machine_reaches_is_for_this_machine() -> None:
    text = """
[modem.a]
answer = "tcp:9001:interface=127.0.0.1"
number = "5551000"
[modem.b]
line = "pty:b"
answer = "haproxy:tcp:9002:interface=127.0.0.1"
[group.bank]
modems = ["a", "b"]
[directory]
enum = "e164.example.net"
"""
    found = records(parse_config(text), "p")
    assert [(each.number, each.uri) for each in found.numbers] == [("5551000", "tcp:localhost:9001")]
    assert [(line.target, line.port) for line in found.lines[0].lines] == [
        ("localhost", 9001),
        ("localhost", 9002),
    ]


def test_haproxy_before_a_group_that_hears_who_calls() -> None:
    text = """
[modem.a]
[group.bank]
answer = "haproxy:tcp:9100:interface=127.0.0.1"
modems = ["a"]
"""
    (group,) = records(parse_config(text), "p", local=True).lines
    assert group.lines == (Line("127.0.0.1", 9100, 10, 1, proxied=True),)
    assert group.bind == "*:9101"


def test_all_alike_but_in_a_linear_group() -> None:
    (group,) = records(
        parse_config(TEXT.replace("[group.bank]", '[group.bank]\norder = "circular"')), "p"
    ).lines
    assert {line.priority for line in group.lines} == {10}


@pytest.mark.parametrize("form", FORMATS)
def test_formats(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vmodem.toml"
    path.write_text(TEXT)
    assert main(["dns", "--format", form, "--host", "p.example.net", "-c", str(path)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    wanted = {
        "dnsmasq": "srv-host=_vmodem._tcp.bank.p.example.net,p.example.net,2301,10,1\n",
        "zone": "_vmodem._tcp.bank.p.example.net. IN SRV 10 1 2301 p.example.net.\n",
        "avahi": "<port>2302</port>",
        "haproxy": "frontend vmodem-bank.p.example.net",
    }
    assert wanted[form] in said.out


def test_dnsmasq_is_the_usual_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vmodem.toml"
    path.write_text(TEXT)
    assert main(["dns", "-c", str(path)]) == 0
    assert "naptr-record=4.3.2.1.5.5.5.e164.example.net" in capsys.readouterr().out


def test_what_a_format_cannot_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vmodem.toml"
    path.write_text("[modem.a]\n")
    assert main(["dns", "--format", "avahi", "-c", str(path)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("vmodem: ")
