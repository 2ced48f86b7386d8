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
    assert group.lines == (Line("p.example.net", 2301, 10, 1), Line("p.example.net", 2302, 30, 1))


def test_on_this_machine_more_is_reached() -> None:
    """HAProxy connects from here."""
    (group,) = records(parse_config(TEXT), "p", local=True).lines
    assert [(line.target, line.port) for line in group.lines] == [
        ("127.0.0.1", 8001),
        ("127.0.0.1", 8002),
        ("127.0.0.1", 2302),
    ]


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
