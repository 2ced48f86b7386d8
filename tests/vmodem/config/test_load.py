"""Configuration files: what they give, and what is said of those that are wrong."""

from __future__ import annotations

import dataclasses
import datetime
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.helpers.process import ROOT
from vmodem.config import Config, ConfigError, load_config, parse_config
from vmodem.config.grammar import JUDGES, LEAST
from vmodem.config.load import NAMED, config_from_tree, load_to_run
from vmodem.config.schema import DirectoryConfig, PanelConfig


def wrong(text: str) -> dict[tuple[int, str], str]:
    """What is wrong with a file: (line, key) -> text."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "vmodem.toml")
    return {(each.line, each.key): each.text for each in caught.value.mistakes}


def test_example_holds_every_key() -> None:
    """The example of the documentation is whole, and right."""
    config = load_config(ROOT / "fixtures" / "configs" / "everything.toml")
    text = (ROOT / "fixtures" / "configs" / "everything.toml").read_text()
    for word, (kept, kind) in NAMED.items():
        assert getattr(config, kept), word
        for field in dataclasses.fields(kind):
            assert field.name == "name" or field.name in text, f"{word}.{field.name}"
    assert config.panel is not None
    assert config.directory.enum


def test_names_come_from_the_header() -> None:
    config = parse_config('[modem.front]\nline = "pty:x"\n[group.g]\nmodems = "front"\n[user.u]\n')
    assert config.modems["front"].name == "front"
    assert config.groups["g"].name == "g"
    assert config.users["u"].name == "u"


def test_one_text_or_a_list() -> None:
    config = parse_config(
        '[modem.a]\nanswer = "tcp:1"\n[modem.b]\nline = "pty:b"\nanswer = ["tcp:2", "tcp:3"]\n'
    )
    assert [modem.answer for modem in config.modems.values()] == [("tcp:1",), ("tcp:2", "tcp:3")]


def test_nothing_is_a_configuration_but_not_to_be_run(tmp_path: Path) -> None:
    path = tmp_path / "vmodem.toml"
    path.write_text('[directory]\n"1" = "echo:"\n')
    assert parse_config("") == Config()
    assert list(load_config(path).directory.entries) == ["1"]
    with pytest.raises(ConfigError, match="names nothing to run"):
        load_to_run(path)
    path.write_text("[modem.a]\n")
    assert list(load_to_run(path).modems) == ["a"]


def test_words_of_the_directory_are_no_numbers() -> None:
    config = parse_config(
        '[directory]\nenum = "e164.example.net"\nlan = true\nresolver = "127.0.0.1:5353"\nbuilt_ins = false\n'
        'alice = "echo:"\n"555*" = { target = "tcp:h:1", note = "n" }\n[directory.bob]\ntarget = "clock:"\n'
    )
    assert list(config.directory.entries) == ["alice", "555*", "bob"]
    assert config.directory.enum == "e164.example.net"
    assert (config.directory.lan, config.directory.built_ins) == (True, False)


def test_all_mistakes_at_once() -> None:
    found = wrong(
        """[modem.front]
lien = "pty:x"
line = "ptty:x"
rate = -1
answer = [
  "tcp:8001",
  "tpc:8001",   # here
  5,
]
caller_limits = { per_minute = "x",  bogus = 1 }
dialect = "hayse"
name = "front"
allow_dial = "10.0.0.0/8"
[modem."b d"]
[directory]
enmu = "x"
bbs.example.net = "tcp:x:1"
"6" = { target = "echo:", rate = 0 }
resolver = "ns.example.net"
[modme.x]
[port.b]
pack = { idle = inf, max_size = 1.5 }
[ups.x]
line = "pty:u"
hooks = { onbat = "x", online = '"' }
[user.u]
actions = ["SET", "STE"]
upsmon = 3
[panel]
listen = true
"""
    )
    assert {
        (2, "modem.front.lien"): "did you mean line",
        (3, "modem.front.line"): "did you mean pty",
        (4, "modem.front.rate"): "from 0 to",
        (7, "modem.front.answer[2]"): "did you mean tcp:",
        (8, "modem.front.answer[3]"): "a text in quotes",
        (10, "modem.front.caller_limits.per_minute"): "a number was expected",
        (10, "modem.front.caller_limits.bogus"): "unknown key",
        (11, "modem.front.dialect"): "did you mean hayes",
        (12, "modem.front.name"): "header",
        (13, "modem.front.allow_dial"): "NET:PORT",
        (14, 'modem."b d"'): "is no name",
        (16, "directory.enmu"): "did you mean enum",
        (17, "directory.bbs"): "in quotes",
        (18, "directory.6.rate"): "a rate in bit/s from 1",
        (19, "directory.resolver"): "127.0.0.1:5353",
        (20, "modme"): "did you mean modem",
        (21, "port.b"): "line = ... is missing",
        (22, "port.b.pack.idle"): "without bounds",
        (22, "port.b.pack.max_size"): "without a fraction",
        (25, "ups.x.hooks.onbat"): "did you mean onbatt",
        (25, "ups.x.hooks.online"): "close every quote",
        (27, "user.u.actions[2]"): "did you mean SET",
        (28, "user.u.upsmon"): '"primary", "secondary"',
        (30, "panel.listen"): "a text in quotes",
    }.keys() == found.keys()
    for place, part in {
        (2, "modem.front.lien"): "did you mean line",
        (7, "modem.front.answer[2]"): "did you mean tcp:",
        (11, "modem.front.dialect"): "did you mean hayes",
        (12, "modem.front.name"): "header",
        (16, "directory.enmu"): "did you mean enum",
        (17, "directory.bbs"): "in quotes",
        (20, "modme"): "did you mean modem",
        (25, "ups.x.hooks.onbat"): "did you mean onbatt",
        (27, "user.u.actions[2]"): "did you mean SET",
    }.items():
        assert part in found[place]


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ("modem = 1", "modem", "[modem.NAME]"),
        ("[[modem]]\nline = 'pty:x'", "modem", "[modem.NAME]"),
        ("[modem]\nline = 'pty:x'", "modem.line", "give the modem a name"),
        ("[modem]\nfront = 'pty:x'", "modem.front", "[modem.NAME]"),
        ("directory = 'numbers.toml'", "directory", "a table was expected"),
        ("panel = 1", "panel", "a table was expected"),
        ("[panel]", "panel", "listen = ... is missing"),
        ("[modem.a]\nline = ''", "modem.a.line", "LINE"),
        ("[modem.a]\nleased = ' '", "modem.a.leased", "neither a number"),
        ("[modem.a]\nnumber = 'five'", "modem.a.number", "digits were expected"),
        ("[modem.a]\nrate = true", "modem.a.rate", "a rate in bit/s was expected, not true or false"),
        ("[modem.a]\nrate = 99999999999999999999999999", "modem.a.rate", "that large"),
        ("[modem.a]\nhold = nan", "modem.a.hold", "without bounds"),
        ("[modem.a]\npair = ['10.0.0.0/8', '10.0.0.1/8']", "modem.a.pair[2]", "10.0.0.0/8"),
        ("[modem.a]\nanswer = 'tls:1'", "modem.a.answer", "cert="),
        ("[modem.a]\ndefault = 'tls:h:1:pin=00'", "modem.a.default", "64 hexadecimal"),
        ("[directory]\nenum = 'a b'", "directory.enum", "no domain name"),
        ("[directory]\nresolver = '127.0.0.1:'", "directory.resolver", "a port from 1 to 65535"),
        ("[directory]\nresolver = '[::1]53'", "directory.resolver", "no address"),
        ("[directory]\n'1' = 1979-05-27", "directory.1", "not a date"),
        ("[port.p]\nline='pty:x'\nlisten='unix:/x'\nmax_clients = 0", "port.p.max_clients", "from 1 to"),
        (
            "[port.p]\nline='pty:x'\nlisten='unix:/x'\npulses = { r = 1 }",
            "port.p.pulses.r",
            "a text in quotes",
        ),
        ("[ups.u]\nline='pty:x'\ndriver='serial'", "ups.u.driver", '"contact"'),
    ],
)
def test_bad(text: str, key: str, part: str) -> None:
    ((found, said),) = wrong(text).items()
    assert found[1] == key
    assert part in said
    assert found[0] == text.count("\n") + 1 or key == "modem"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("[modem.a]\nline = 'pty:x'\nline = 'pty:y'\n", 3, "is not TOML"),
        ("[modem.a]\n[modem.a]\n", 2, "is not TOML"),
        ("a = " + "[" * 100_000, 0, "is not TOML"),
        ("a = " + "{b = " * 100_000, 0, "is not TOML"),
        ("a = " + "9" * 10_000, 0, "is not TOML"),
        ("a = 1979-13-99", 1, "is not TOML"),
    ],
)
def test_no_toml(text: str, line: int, part: str) -> None:
    ((found, said),) = wrong(text).items()
    assert part in said
    assert found[0] in (line, 0)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, part in ((tmp_path, "cannot be read"), (tmp_path / "none", "cannot be read"), ("a\0b", "read")):
        with pytest.raises(ConfigError, match=part):
            load_config(path)
    path = tmp_path / "vmodem.toml"
    path.write_bytes(b"[modem.a]\nnumber = '\xff'\n")
    with pytest.raises(ConfigError, match=":2: is not UTF-8"):
        load_config(path)


def test_a_large_file(tmp_path: Path) -> None:
    """A megabyte of numbers, with a mistake in the last line."""
    path = tmp_path / "vmodem.toml"
    good = "[directory]\n" + "".join(f'"{n}" = "tcp:192.0.2.1:{n % 60000 + 1}"\n' for n in range(35_000))
    assert len(good) > 1_000_000
    path.write_text(good)
    assert len(load_config(path).directory.entries) == 35_000
    path.write_text(good + 'x = "nope"\n')
    with pytest.raises(ConfigError, match=r":35002: directory\.x"):
        load_config(path)


def test_what_is_said_cannot_act_on_a_terminal() -> None:
    found = wrong('[modem.a]\nline = "\\u001b[2J"\n"\\u001b" = 1\n["\\u0007"]\n')
    assert len(found) == 3
    assert all(key.isprintable() and text.isprintable() for (_, key), text in found.items())


# -- any tree ------------------------------------------------------------------------------------------------

WORDS = [*NAMED, "directory", "panel", "front", "name", "entries", "x y", "", "\x1b"]
WORDS += sorted({each.name for _, kind in NAMED.values() for each in dataclasses.fields(kind)})
WORDS += [each.name for kind in (DirectoryConfig, PanelConfig) for each in dataclasses.fields(kind)]
TEXTS = [
    "",
    "front",
    "pty:x",
    "tcp:8001",
    "udp:9:interface=0.0.0.0",
    "line:front",
    "group:front",
    "10.0.0.0/8",
    "directory",
    "S0=1",
    "555",
    "a\0b\x1b",
    "tcp:" + "9" * 5000,
]
LEAVES = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.just(datetime.date(1979, 5, 27)),
)
VALUES = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), below, max_size=5)
    ),
    max_leaves=20,
)
TABLES = st.sampled_from([*NAMED, "directory", "panel"])
TREES = st.dictionaries(
    TABLES | st.text(max_size=5),
    st.dictionaries(
        st.sampled_from(["front", "back"]) | st.text(max_size=5),
        st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=5) | VALUES,
        max_size=3,
    )
    | VALUES,
    max_size=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
@example({"modem": {"a": {"init": "\x1b"}}})
@example({"modem": {"front": {"answer": ["tcp:0:backlog=" + "0" * 5000]}}})
def test_any_tree_is_a_configuration_or_told_wrong(tree: dict[str, Any]) -> None:
    config, found = config_from_tree(tree)
    assert isinstance(config, Config)
    for each in found:
        assert each.text
        assert each.path[0] in tree


def test_every_text_has_its_judge() -> None:
    """A new key of the schema cannot be forgotten here."""
    for kind, judges in JUDGES.items():
        hints = typing.get_type_hints(kind)
        texts = {
            each.name
            for each in dataclasses.fields(kind)
            if hints[each.name] in (str, tuple[str, ...], tuple[str, ...] | None)
            or typing.get_args(hints[each.name]) == (str, str)
        }
        assert texts == set(judges), kind
    for kind, key in LEAST:
        assert key in {each.name for each in dataclasses.fields(kind)}
