"""Rules over addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.net.address import literal
from vmodem.net.admission.rules import AccessError, CallerRules, DialRules


def judge(rules: list[str] | None, host: str, port: int = 23, *, listed: bool = False) -> bool:
    found = literal(host)
    assert found is not None
    return DialRules(rules).judge(found[0], port, listed=listed).allowed


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "8.8.8.8", "2001:db8::1", "::1", "fd00::1"])
def test_default_is_anything(host: str) -> None:
    assert judge(None, host)


SPECIAL = [
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "::ffff:169.254.169.254",
    "fe80::1",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "255.255.255.255",
    "fd00:ec2::254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::127.0.0.1",
]


@pytest.mark.parametrize("host", SPECIAL)
def test_special_addresses_must_be_named(host: str) -> None:
    assert not judge(None, host)
    assert not judge(None, host, listed=True)
    assert not judge(["0.0.0.0/0:*", "[::/0]:*"], host)
    assert not judge(["directory"], host, listed=True)


def test_special_addresses_named() -> None:
    assert judge(["169.254.0.0/16:*"], "169.254.1.1")
    assert judge(["169.254.1.1:23"], "::ffff:169.254.1.1")
    assert not judge(["169.254.1.1:23"], "169.254.1.2")
    assert judge(["[fe80::/10]:*"], "fe80::1")
    assert judge(["[ff02::1]:23"], "ff02::1")


SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.1",
    "017700000001",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "127.000.000.001",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_every_spelling_is_the_same_address(host: str) -> None:
    assert judge(["127.0.0.0/8:23"], host)
    assert judge(["[::ffff:127.0.0.0/104]:23"], host)
    assert not judge(["127.0.0.0/8:23"], host, 24)
    assert not judge(["10.0.0.0/8:*"], host)
    assert CallerRules(["127.0.0.1"]).judge(host).allowed


def test_rules() -> None:
    rules = ["directory", "10.0.0.0/8:*", "192.0.2.7:2323", "[2001:db8::/32]:23", "[2001:db8:1::]/48:24"]
    assert judge(rules, "10.9.8.7", 1)
    assert judge(rules, "192.0.2.7", 2323)
    assert not judge(rules, "192.0.2.7", 23)
    assert judge(rules, "2001:db8::5", 23)
    assert not judge(rules, "2001:db8::5", 25)
    assert judge(rules, "2001:db8:1::5", 24)
    assert not judge(rules, "8.8.8.8")
    assert judge(rules, "8.8.8.8", listed=True)
    assert not judge(["10.0.0.0/8:*"], "8.8.8.8", listed=True)
    assert not judge([], "8.8.8.8")
    decision = DialRules(rules).judge(ipaddress.ip_address("10.1.1.1"), 5)
    assert decision.rule == "10.0.0.0/8:*"
    assert DialRules(rules).directory.allowed
    assert DialRules(None).directory.allowed
    assert not DialRules(["10.0.0.0/8:*"]).directory.allowed


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("10.0.0.0/8", "write NET:PORT"),
        ("2001:db8::/32:*", "in brackets"),
        ("10.0.0.0/8:0", "from 1 to 65535"),
        ("10.0.0.0/8:x", "from 1 to 65535"),
        ("10.0.0.0/8:70000", "from 1 to 65535"),
        ("10.1.2.3/8:*", "write 10.0.0.0/8"),
        ("10.0.0.0/33:*", "names no network"),
        ("example.net:*", "names no network"),
        (":*", "names no network"),
        ("[zz]:1", "names no network"),
        ("", "is not"),
    ],
)
def test_bad_dial_rules(rule: str, part: str) -> None:
    with pytest.raises(AccessError) as caught:
        DialRules([rule])
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_callers() -> None:
    assert CallerRules(None).judge("192.0.2.1").allowed
    rules = CallerRules(["10.0.0.0/8", "2001:db8::/32", "[::1]"])
    assert rules.judge("10.1.1.1").rule == "10.0.0.0/8"
    assert rules.judge("::ffff:10.1.1.1").allowed
    assert rules.judge("2001:db8::9").allowed
    assert rules.judge("::1").allowed
    assert rules.judge("").allowed
    assert not rules.judge("11.1.1.1").allowed
    assert not rules.judge("somewhere").allowed
    assert not CallerRules([]).judge("127.0.0.1").allowed
    assert str(CallerRules(None)) == "anybody"
    assert "10.0.0.0/8" in str(rules)
    for bad in ("10.1.1.1/8", "here", "", "10.0.0.0/8:*"):
        with pytest.raises(AccessError):
            CallerRules([bad])


@given(st.text())
def test_any_rule(text: str) -> None:
    for make in (DialRules, CallerRules):
        try:
            make([text])
        except AccessError:
            continue


@given(st.ip_addresses())
def test_only_a_matching_rule_allows(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert not DialRules(["192.0.2.0/32:1"]).judge(ip, 2).allowed
