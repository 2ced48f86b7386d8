"""What a configuration, or the command line, says of UPSes and their drivers: judged before it starts."""

from __future__ import annotations

import pytest

from vmodem.cli import parser
from vmodem.cli.services import config_from_arguments
from vmodem.config import ConfigError
from vmodem.config.load import parse_config
from vmodem.config.schema import Config

BAD = """
[ups.a]
line = "/dev/ttyS0"
driver = "contact"
cable = 99
cable_override = { ol = "nonsense", lbb = "+cts" }
options = { mfr = "x" }
[ups.b]
line = "/dev/ttyS1"
cable = 3
options = { no-ratngs = "yes", battery-low = "zero", mfr = "Acme" }
[ups.c]
line = "tcp:4000:interface=127.0.0.1"
driver = "contact"
cable_override = { ol = "+cts", ob = "-cts" }
"""


def test_every_mistake_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(BAD)
    assert {each.key: each.line for each in caught.value.mistakes} == {
        "ups.a.cable": 5,
        "ups.a.cable_override.ol": 6,
        "ups.a.cable_override.lbb": 6,
        "ups.a.options": 7,
        "ups.b.cable": 10,
        "ups.b.options.no-ratngs": 11,
        "ups.b.options.battery-low": 11,
        "ups.c.line": 13,
        "ups.c.cable_override": 15,
    }


def given(*arguments: str) -> Config:
    words = ["ups", "--line", "/dev/ttyS0", "--listen", "tcp:3493:interface=127.0.0.1", "--name", "rack"]
    return config_from_arguments("ups", parser().parse_args([*words, *arguments]))


def test_arguments() -> None:
    ups = given(
        *(
            "--driver",
            "contact",
            "--cable",
            "7",
            "--cable-override",
            "lb=+dsr",
            "--cable-override",
            "serial=1",
        ),
        *("--hook", "onbatt=/bin/sh -c 'a=b'", "--hook", "online=/bin/true", "--cert", "c", "--key", "k"),
    ).upses["rack"]
    assert ups.cable_override == {"lb": "+dsr", "serial": "1"}
    assert ups.hooks == {"onbatt": "/bin/sh -c 'a=b'", "online": "/bin/true"}
    assert (ups.cable, ups.cert, ups.key) == (7, "c", "k")
    assert given("--driver", "megatec", "--option", "no-vendor=yes").upses["rack"].options == {
        "no-vendor": "yes"
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--driver contact --cable 99", "--cable: there is no cable 99"),
        ("--driver contact --cable-override lbb=+dsr", "--cable-override lbb: "),
        ("--driver contact --cable-override lb", "--cable-override lb: "),
        ("--driver megatec --option no-vndor=yes", "--option no-vndor: "),
        ("--driver megatec --hook onbat=x", "--hook onbat: "),
        ("--driver megatec --hook onbatt", "--hook onbatt: "),
        ("--driver megatec --key x", "--key: "),
        ("--driver megatec --allow-caller x", "--allow-caller: "),
    ],
)
def test_what_is_wrong_with_arguments(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given(*words.split())
    assert str(caught.value).startswith(said)
    assert caught.value.code == 2
