"""What tables mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmodem.config import ConfigError, parse_config


def wrong(text: str) -> dict[str, str]:
    """What is wrong with a file: key -> text; empty when nothing is."""
    try:
        parse_config(text)
    except ConfigError as exc:
        return {each.key: each.text for each in exc.mistakes}
    return {}


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("tcp:8001", "tcp:8001", True),
        ("tcp:8001", "tcp:8002", False),
        ("tcp:8001:interface=127.0.0.1", "telnet:tcp:8001:interface=127.0.0.1", True),
        ("tcp:8001:interface=127.0.0.1", "tcp:8001:interface=127.0.0.2", False),
        ("tcp:8001:interface=127.0.0.1", "tcp:8001", True),
        ("tcp6:8001", "tcp:8001:interface=127.0.0.1", True),
        ("tcp6:8001:interface=\\\\:\\\\:1", "tcp:8001", False),
        ("tcp6:8001:interface=\\\\:\\\\:1", "tcp6:8001", True),
        ("tcp:8001", "udp:8001", False),
        ("udp:8001", "udp:8001", True),
        ("haproxy:tcp:8001", "tls:8001:cert=a:key=b", True),
        ("tcp:0", "tcp:0", False),
        ("unix:/run/a", "telnet:unix:/run/../run/a", True),
        ("unix:/run/a", "unix:/run/b", False),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a", True),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=b", False),
    ],
)
def test_listeners(one: str, other: str, clash: bool) -> None:
    found = wrong(
        f'[modem.a]\nline = "pty:a"\nanswer = "{one}"\n[modem.b]\nline = "pty:b"\nanswer = ["{other}"]\n'
    )
    assert bool(found) is clash
    if clash:
        ((key, text),) = found.items()
        assert key == "modem.b.answer[1]"
        assert "modem.a.answer[1]" in text


def test_several_ups_share_a_listener_but_with_nobody_else() -> None:
    ups = '[ups.{0}]\nline = "pty:{0}"\nlisten = "tcp:3493:interface=127.0.0.1"\n'
    assert wrong(ups.format("a") + ups.format("b")) == {}
    found = wrong(ups.format("a") + ups.format("b") + '[panel]\nlisten = "tcp:3493"\n')
    assert list(found) == ["panel.listen"]


def test_a_line_listens_too() -> None:
    found = wrong('[modem.a]\nline = "tcp:2300"\n[modem.b]\nline = "rfc2217:2300"\nanswer = "tcp:2300"\n')
    assert list(found) == ["modem.b.line", "modem.b.answer[1]"]


def test_one_device_one_user(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/ttyS0")
    found = wrong(
        f'[modem.a]\nline = "/dev/ttyS0"\n[port.b]\nline = "serial:{tmp_path}/by-id:speed=9600"\n'
        'listen = "unix:/run/x"\n[ups.c]\nline = "serial:/dev/ttyS1"\n[modem.d]\nline = "pty:./m"\n'
        '[redirect.e]\nport = "pty:m"\nto = "tcp:h:1"\n[modem.f]\n[modem.g]\n'
        '[modem.h]\nline = "stdio:"\n[modem.i]\nline = "stdio:"\n'
        '[modem.j]\nline = "remote:h:1"\n[modem.k]\nline = "remote:h:1:speed=300"\n'
    )
    # Devices are claimed in the order of the tables' kinds: modems first.
    assert list(found) == ["port.b.line", "redirect.e.port", "modem.g.line", "modem.i.line", "modem.k.line"]
    assert "/dev/ttyS0 is what modem.a.line has already" in found["port.b.line"]


def test_names_that_lead_nowhere() -> None:
    found = wrong(
        '[modem.front]\ndefault = "line:frnot"\nwindows_cable = "group:bank"\nleased = "555"\n'
        '[group.bnak]\nmodems = ["front", "bakc", "front"]\n[group.empty]\nmodems = []\n'
        '[directory]\n"1" = "line:front"\n"2" = "line:nobody"\n'
        '[redirect.r]\nport = "pty:r"\nto = "line:back"\n'
        '[port.p]\nline = "pty:p"\nconnect = "group:x"\n'
    )
    assert set(found) == {
        "modem.front.default",
        "modem.front.windows_cable",
        "modem.front.leased",
        "group.bnak.modems[2]",
        "group.bnak.modems[3]",
        "group.empty.modems",
        "directory.2",
        "redirect.r.to",
        "port.p.connect[1]",
    }
    assert "did you mean front" in found["modem.front.default"]
    assert "did you mean bnak" in found["modem.front.windows_cable"]
    assert "a member already" in found["group.bnak.modems[3]"]
    assert "neither in the directory" in found["modem.front.leased"]


@pytest.mark.parametrize(
    "leased", ["tcp:h:1", "555", "100", "192.0.2.1:23", "line:back", "host.example.net", "5551234"]
)
def test_leased_lines_that_lead_somewhere(leased: str) -> None:
    text = f'[modem.a]\nleased = "{leased}"\n[modem.back]\nline = "pty:b"\n[directory]\n"555*" = "echo:"\n'
    assert wrong(text) == {}


def test_with_enum_any_number_may_lead_somewhere() -> None:
    assert wrong('[modem.a]\nleased = "777"\n[directory]\nenum = "e164.example.net"\n') == {}


def test_a_name_in_a_table_with_mistakes_is_there_all_the_same() -> None:
    found = wrong('[modem.front]\nrate = "x"\n[directory]\n"1" = "line:front"\n')
    assert list(found) == ["modem.front.rate"]


def test_loops() -> None:
    found = wrong(
        '[modem.a]\nline = "pty:a"\nleased = "line:b"\n[modem.b]\nline = "pty:b"\nleased = "5"\n'
        '[modem.c]\nline = "pty:c"\ndefault = "line:c"\n[modem.d]\nline = "pty:d"\nleased = "group:g"\n'
        '[directory]\n"5" = "line:a"\n"6" = "line:c"\n[group.g]\nmodems = "d"\n'
    )
    assert set(found) == {"modem.a.leased", "modem.c.default", "modem.d.leased"}
    assert "a -> b -> a" in found["modem.a.leased"]
    assert "leads back to this modem" in found["modem.c.default"]


def test_a_chain_is_no_loop() -> None:
    text = '[modem.a]\nline = "pty:a"\nleased = "line:b"\n[modem.b]\nline = "pty:b"\nleased = "line:c"\n'
    assert wrong(text + '[modem.c]\nline = "pty:c"\n') == {}


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ("", False),
        ('allow_callers = ["10.0.0.0/8"]', True),
        ('password = "x"', True),
        ("open = true", True),
        ("open = false", False),
        ('allow_certificates = "*.plant.example"', True),
    ],
)
def test_a_port_on_the_network_needs_somebody_who_watches(more: str, good: bool) -> None:
    port = f'[port.p]\nline = "pty:p"\n{more}\nlisten = '
    assert (wrong(port + '"tcp:7001"') == {}) is good
    assert (wrong(port + '["unix:/run/x", "rfc2217:tcp:7001:interface=192.0.2.1"]') == {}) is good
    assert wrong(port + '"tcp:7001:interface=127.0.0.1"') == {}
    assert wrong(port + '"tls:7001:cert=a:key=b:clientca=c"') == {}


def test_datagrams_need_a_list() -> None:
    found = wrong(
        '[port.p]\nline = "pty:p"\nopen = true\npassword = "x"\nlisten = "udp:9:interface=0.0.0.0"\n'
        '[modem.m]\nanswer = ["udp:10", "udp:11:interface=192.0.2.1"]\n'
    )
    assert set(found) == {"port.p.listen[1]", "modem.m.answer[2]"}
    assert "allow_callers" in found["port.p.listen[1]"]
    text = '[port.p]\nline = "pty:p"\nallow_callers = "10.0.0.0/8"\nlisten = "udp:9:interface=0.0.0.0"\n'
    assert wrong(text) == {}


def test_a_port_that_nobody_reaches() -> None:
    assert list(wrong('[port.p]\nline = "pty:p"\n')) == ["port.p"]
    assert wrong('[port.p]\nline = "pty:p"\nconnect = "tcp:h:1"\n') == {}


def test_init_is_tried_in_its_dialect() -> None:
    assert wrong('[modem.a]\ninit = "S0=1&C1&D2"\n') == {}
    assert "X99" in wrong('[modem.a]\ninit = "S0=1X99"\n')["modem.a.init"]
    assert wrong('[modem.a]\ninit = "%Z"\ndialect = "lenient"\n') == {}


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('pair = ["192.0.2.1"]', None),
        ('pair = ["192.0.2.1"]\npair_secret = "s"\npassword = "p"', None),
        ('pair_secret = "s"', "modem.a.pair_secret"),
        ('pair = ["192.0.2.1"]\npassword = "p"', "modem.a.pair"),
        ('pair = ["192.0.2.1"]\npair_secret = "s"\nallow_certificates = ["n"]', "modem.a.pair"),
    ],
)
def test_a_pair_and_what_callers_must_prove(lines: str, key: str | None) -> None:
    assert list(wrong(f"[modem.a]\n{lines}\n")) == ([key] if key else [])
    group = key and key.replace("modem.a", "group.g")
    assert list(wrong(f'[modem.a]\n[group.g]\nmodems = "a"\n{lines}\n')) == ([group] if group else [])


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('listen = "tcp:3493:interface=127.0.0.1"\nudp = true', None),
        ('listen = "tcp:3493"', None),
        ('listen = "udp:3493"', "ups.a.listen[1]"),
        ('listen = "tcp:3493"\nudp = true', "ups.a.udp"),
        ('listen = "tcp:3493"\nudp = true\nallow_callers = "10.0.0.0/8"', None),
        ('listen = "unix:/run/ups"\nudp = true', "ups.a.listen[1]"),
        ('key = "k"', "ups.a.key"),
        ('[ups.A]\nline = "/dev/ttyS1"', "ups.A"),
        ('listen = "tcp:1"\ncert = "a"\n[ups.b]\nline = "pty:b"\nlisten = "tcp:1"\ncert = "b"', "ups.b.cert"),
        ('listen = "tcp:1"\ncert = "a"\n[ups.b]\nline = "pty:b"\nlisten = "tcp:1"', None),
        ("[user.u]", "user.u"),
        ('[user.u]\npassword = "p\u00e4ss"', "user.u.password"),
        ('[user.u]\npassword = "secret"', None),
    ],
)
def test_upses_and_their_users(lines: str, key: str | None) -> None:
    assert list(wrong(f'[ups.a]\nline = "/dev/ttyS0"\n{lines}\n')) == ([key] if key else [])


def test_what_tables_mean_together_is_told_though_they_have_mistakes_of_their_own() -> None:
    """All at once: nobody wants to correct a word and be told then of what was wrong all the time."""
    found = wrong(
        """
[modem.a]
line = "pty:here"
answer = ["tcp:8001", "tcp:99999"]
init = "S0=999"
dialect = "hayse"
[modem.b]
line = "pty:here"
answr = "tcp:1"
answer = "tcp:8001:interface=127.0.0.1"
default = "line:c"
leased = "5551234"
[modem.c]
line = "ptty:here"
[group.bank]
modems = ["a", "d", 5]
order = "linaer"
[directory]
"5551234" = "tcp:host"
"""
    )
    assert set(found) == {
        "modem.a.answer[2]",
        "modem.a.dialect",
        "modem.a.init",
        "modem.b.line",
        "modem.b.answr",
        "modem.b.answer[1]",
        "modem.c.line",
        "group.bank.modems[2]",
        "group.bank.modems[3]",
        "group.bank.order",
        "directory.5551234",
    }


def test_a_mistake_draws_no_others_after_it() -> None:
    found = wrong(
        """
[modem.a]
pair = "10.0.0.1"
pair_secret = 5
password = "x"
answer = "udp:9:interface=0.0.0.0"
allow_callers = "nowhere"
[group.bank]
modems = [5]
[port.scale]
line = "/dev/ttyS0"
listen = "tcp:7001"
password = 5
[port.other]
line = "/dev/ttyS1"
listen = 5
"""
    )
    assert set(found) == {
        "modem.a.pair_secret",
        "modem.a.allow_callers",
        "group.bank.modems[1]",
        "port.scale.password",
        "port.other.listen",
    }


@pytest.mark.parametrize("init", ["ATE0", "at&c1", "AT S0=1"])
def test_init_is_written_without_the_at(init: str) -> None:
    (text,) = wrong(f'[modem.a]\ninit = "{init}"\n').values()
    assert "without the AT" in text
