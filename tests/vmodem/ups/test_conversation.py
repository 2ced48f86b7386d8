"""What one client is answered, request by request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.upses import FakeDriver
from vmodem.ups.conversation import Conversation, Next, Reply
from vmodem.ups.model import Outcome, Ups
from vmodem.ups.tracking import KEPT_S, Tracking
from vmodem.ups.users import User, UserError, Users
from vmodem.wire.nut import LIST_LIMIT, REPLY_LIMIT

USERS = (
    User("boss", "secret", "primary", frozenset({"SET", "FSD"}), frozenset({"all", "load.off"})),
    User("slave", "secret", "secondary"),
    User("clerk", "secret", "", frozenset({"SET"}), frozenset({"beeper.toggle"})),
    User("anything", "secret", "", frozenset(), frozenset({"all"})),
    User("forcer", "secret", "", frozenset({"FSD"})),
)


class Place:
    """A server with a UPS that works and one that does not."""

    version = "9.9"

    def __init__(self) -> None:
        self.clock = Clock()
        self.users = Users(self.clock.seconds, USERS)
        self.tracking = Tracking(self.clock.seconds)
        self.rack = Ups(self.clock, "Rack", 'the "rack"', max_age_s=1e9)
        self.attic = Ups(self.clock, "attic")
        self.driver = FakeDriver(self.rack)
        self.rack.driver = self.driver
        self.driver.start()
        self.driver.fine()

    def upses(self, host: str) -> Mapping[str, Ups]:
        return {"rack": self.rack, "attic": self.attic}

    def client(self, user: str = "", password: str = "secret", host: str = "192.0.2.7") -> Conversation:
        made = Conversation(self, host, f"{host}:4", tls=False)
        if user:
            ask(made, f"USERNAME {user}")
            ask(made, f"PASSWORD {password}")
        return made


@pytest.fixture
def place() -> Place:
    return Place()


def ask(client: Conversation, line: str) -> str:
    text = client.answer(line.encode("latin-1")).text
    assert text.endswith("\n")
    assert "\r" not in text
    return text[:-1]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("VER", "Network UPS Tools protocol 1.3, vmodem 9.9"),
        ("ver", "Network UPS Tools protocol 1.3, vmodem 9.9"),
        ("VER x", "ERR INVALID-ARGUMENT"),
        ("NETVER", "1.3"),
        ("PROTVER", "1.3"),
        ("LOGOUT x", "ERR INVALID-ARGUMENT"),
        ("", "ERR UNKNOWN-COMMAND"),
        ("# comment", "ERR UNKNOWN-COMMAND"),
        ("FROBNICATE", "ERR UNKNOWN-COMMAND"),
        ('GET VAR "Rack ups.status', "ERR INVALID-ARGUMENT"),
        ("GET", "ERR INVALID-ARGUMENT"),
        ("GET VAR", "ERR INVALID-ARGUMENT"),
        ("GET VAR Rack", "ERR INVALID-ARGUMENT"),
        ("GET FOO Rack", "ERR INVALID-ARGUMENT"),
        ("GET VAR nobody ups.status", "ERR UNKNOWN-UPS"),
        ("GET VAR Rack ups.status", 'VAR Rack ups.status "OL"'),
        ("GET VAR RACK UPS.Status extra", 'VAR RACK UPS.Status "OL"'),
        ("GET VAR Rack ups.foo", "ERR VAR-NOT-SUPPORTED"),
        ("GET VAR anything server.version", 'VAR anything server.version "9.9"'),
        ("GET VAR anything server.info", 'VAR anything server.info "vmodem 9.9"'),
        ("GET VAR Rack server.foo", "ERR VAR-NOT-SUPPORTED"),
        ("GET TYPE Rack ups.id", "TYPE Rack ups.id RW STRING:8"),
        ("GET TYPE Rack ups.delay.shutdown", "TYPE Rack ups.delay.shutdown RW RANGE NUMBER"),
        ("GET TYPE Rack ups.beeper.status", "TYPE Rack ups.beeper.status RW ENUM STRING:8"),
        ("GET TYPE Rack input.voltage", "TYPE Rack input.voltage NUMBER"),
        ("GET TYPE Rack ups.mfr", "TYPE Rack ups.mfr STRING:4"),
        ("GET TYPE Rack ups.foo", "ERR VAR-NOT-SUPPORTED"),
        ("GET DESC Rack ups.load", 'DESC Rack ups.load "Load (percent of the maximum)"'),
        ("GET DESC Rack foo", 'DESC Rack foo "Description unavailable"'),
        ("GET DESC Rack " + "x" * 200, "ERR INVALID-ARGUMENT"),
        ("GET CMDDESC Rack load.off", 'CMDDESC Rack load.off "Switch the load off at once"'),
        ("GET CMDDESC Rack b'load.off'", "CMDDESC Rack b'load.off' \"Description unavailable\""),
        ("GET UPSDESC Rack", "UPSDESC Rack \"the 'rack'\""),
        ("GET UPSDESC attic", 'UPSDESC attic "Description unavailable"'),
        ("GET NUMLOGINS Rack", "NUMLOGINS Rack 0"),
        ("GET TRACKING", "OFF"),
        ("GET TRACKING 1", "ERR FEATURE-NOT-CONFIGURED"),
        ("LIST", "ERR INVALID-ARGUMENT"),
        ("LIST VAR", "ERR INVALID-ARGUMENT"),
        ("LIST CLIENTS Rack", "ERR INVALID-ARGUMENT"),
        (
            "LIST UPS",
            'BEGIN LIST UPS\nUPS Rack "the \'rack\'"\nUPS attic "Description unavailable"\nEND LIST UPS',
        ),
        ("LIST CLIENT Rack", "BEGIN LIST CLIENT Rack\nEND LIST CLIENT Rack"),
        (
            "LIST ENUM Rack ups.beeper.status",
            (
                'BEGIN LIST ENUM Rack ups.beeper.status\nENUM Rack ups.beeper.status "enabled"\n'
                'ENUM Rack ups.beeper.status "disabled"\nEND LIST ENUM Rack ups.beeper.status'
            ),
        ),
        ("LIST ENUM Rack ups.id", "BEGIN LIST ENUM Rack ups.id\nEND LIST ENUM Rack ups.id"),
        (
            "list range rack UPS.DELAY.SHUTDOWN",
            (
                "BEGIN LIST RANGE rack UPS.DELAY.SHUTDOWN\n"
                'RANGE rack UPS.DELAY.SHUTDOWN "12" "600"\nEND LIST RANGE rack UPS.DELAY.SHUTDOWN'
            ),
        ),
        ("LIST RANGE Rack foo", "ERR VAR-NOT-SUPPORTED"),
        ("STARTTLS", "ERR FEATURE-NOT-CONFIGURED"),
        ("USERNAME", "ERR INVALID-ARGUMENT"),
        ("LOGIN Rack", "ERR USERNAME-REQUIRED"),
        ("SET", "ERR USERNAME-REQUIRED"),
        ("INSTCMD", "ERR USERNAME-REQUIRED"),
        ("FSD", "ERR USERNAME-REQUIRED"),
        ("PRIMARY Rack", "ERR USERNAME-REQUIRED"),
    ],
)
def test_without_a_name(place: Place, line: str, reply: str) -> None:
    assert ask(place.client(), line) == reply
    assert place.driver.asked == []


def test_lists_of_a_ups(place: Place) -> None:
    client = place.client()
    rows = ask(client, "LIST VAR rack").split("\n")
    assert (rows[0], rows[-1]) == ("BEGIN LIST VAR rack", "END LIST VAR rack")
    assert rows[1:-1] == sorted(rows[1:-1])
    assert 'VAR rack ups.status "OL"' in rows
    assert not any("server." in row for row in rows)
    assert ask(client, "LIST RW rack").count("\nRW rack ") == 3
    assert ask(client, "LIST CMD rack").split("\n")[1:-1] == [
        "CMD rack beeper.toggle",
        "CMD rack load.off",
        "CMD rack shutdown.return",
        "CMD rack test.battery.start",
    ]


def test_help_and_logout(place: Place) -> None:
    client = place.client()
    assert ask(client, "HELP").startswith("Commands: HELP VER ")
    assert client.answer(b"LOGOUT") == Reply("OK Goodbye\n", Next.CLOSE)


READABLE = (
    "GET VAR {} ups.status",
    "GET TYPE {} ups.status",
    "GET DESC {} ups.status",
    "GET CMDDESC {} load.off",
    "GET NUMLOGINS {}",
    "LIST VAR {}",
    "LIST RW {}",
    "LIST CMD {}",
    "LIST ENUM {} ups.id",
    "LIST RANGE {} ups.id",
    "SET VAR {} ups.id x",
    "INSTCMD {} load.off",
)
ALWAYS = ("LIST UPS", "GET UPSDESC {}", "LIST CLIENT {}", "GET VAR {} server.info", "PRIMARY {}", "MASTER {}")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda ups: ups.stale("no answer"), "DATA-STALE"),
        (lambda ups: ups.port_gone("unplugged"), "DRIVER-NOT-CONNECTED"),
    ],
)
def test_what_is_not_known_is_not_said(place: Place, spoil: Callable[[Ups], None], word: str) -> None:
    client = place.client("boss")
    assert ask(client, "LOGIN rack") == "OK"
    spoil(place.rack)
    for line in READABLE:
        assert ask(client, line.format("rack")) == f"ERR {word}", line
    for line in ALWAYS:
        assert not ask(client, line.format("rack")).startswith("ERR"), line
    assert ask(client, "FSD rack") == "OK FSD-SET"
    assert "CLIENT rack 192.0.2.7" in ask(client, "LIST CLIENT rack")
    place.driver.fine("OB")
    assert ask(client, "GET VAR rack ups.status") == 'VAR rack ups.status "FSD OB"'


def test_names_and_passwords(place: Place) -> None:
    client = place.client()
    assert ask(client, "USERNAME nobody") == "OK"
    assert ask(client, "USERNAME boss") == "ERR ALREADY-SET-USERNAME"
    assert ask(client, "LOGIN rack") == "ERR PASSWORD-REQUIRED"
    assert ask(client, "PASSWORD a b") == "ERR INVALID-ARGUMENT"
    assert ask(client, 'PASSWORD "wr ong"') == "OK"
    assert ask(client, "PASSWORD x") == "ERR ALREADY-SET-PASSWORD"
    assert client.answer(b"LOGIN rack") == Reply("ERR ACCESS-DENIED\n", slow=True)


@pytest.mark.parametrize(
    ("user", "login", "primary", "fsd", "sets", "beeper", "off"),
    [
        ("boss", "OK", "OK PRIMARY-GRANTED", "OK FSD-SET", "OK", "OK", "OK"),
        ("slave", "OK", *["ERR ACCESS-DENIED"] * 5),
        ("clerk", *["ERR ACCESS-DENIED"] * 3, "OK", "OK", "ERR ACCESS-DENIED"),
        ("anything", *["ERR ACCESS-DENIED"] * 4, "OK", "ERR ACCESS-DENIED"),
        ("forcer", *["ERR ACCESS-DENIED"] * 2, "OK FSD-SET", *["ERR ACCESS-DENIED"] * 3),
        ("nobody", *["ERR ACCESS-DENIED"] * 6),
        ("Boss", *["ERR ACCESS-DENIED"] * 6),
    ],
)
def test_rights(
    place: Place, user: str, login: str, primary: str, fsd: str, sets: str, beeper: str, off: str
) -> None:
    client = place.client(user)
    assert ask(client, "LOGIN rack") == login
    assert ask(client, "PRIMARY rack") == primary
    assert ask(client, "MASTER rack") == primary.replace("PRIMARY", "MASTER")
    assert ask(client, "FSD rack") == fsd
    assert ask(client, "SET VAR rack ups.id x") == sets
    assert ask(client, "INSTCMD rack beeper.toggle") == beeper
    assert ask(client, "INSTCMD rack load.off") == off
    assert (("load.off", "") in place.driver.asked) is (off == "OK")
    # "ALL" holds no command that takes power: each has to be named.
    assert ask(client, "INSTCMD rack shutdown.return") == "ERR ACCESS-DENIED"
    assert ("shutdown.return", "") not in place.driver.asked


def test_logins(place: Place) -> None:
    one, two = place.client("boss"), place.client("slave", host="192.0.2.8")
    assert ask(one, "LOGIN") == "ERR INVALID-ARGUMENT"
    assert ask(one, "LOGIN a b") == "ERR INVALID-ARGUMENT"
    assert ask(one, "LOGIN nobody") == "ERR UNKNOWN-UPS"
    assert (ask(one, "LOGIN RACK"), ask(two, "LOGIN rack")) == ("OK", "OK")
    assert ask(one, "LOGIN nobody") == "ERR ALREADY-LOGGED-IN"
    assert ask(one, "GET NUMLOGINS rack") == "NUMLOGINS rack 2"
    assert ask(one, "LIST CLIENT rack").split("\n")[1:-1] == [
        "CLIENT rack 192.0.2.7",
        "CLIENT rack 192.0.2.8",
    ]
    two.leave()
    two.leave()
    assert ask(one, "GET NUMLOGINS rack") == "NUMLOGINS rack 1"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("SET", "ERR INVALID-ARGUMENT"),
        ("SET FOO", "ERR INVALID-ARGUMENT"),
        ("SET VAR rack ups.id", "ERR INVALID-ARGUMENT"),
        ("SET VAR rack ups.id two words", "ERR INVALID-ARGUMENT"),
        ("SET VAR nobody ups.id x", "ERR UNKNOWN-UPS"),
        ("SET VAR rack ups.foo x", "ERR VAR-NOT-SUPPORTED"),
        ("SET VAR rack ups.load 1", "ERR READONLY"),
        ("SET VAR rack ups.status OB", "ERR READONLY"),
        ("SET VAR rack ups.id 123456789", "ERR TOO-LONG"),
        ("SET VAR rack ups.beeper.status loud", "ERR INVALID-VALUE"),
        ("SET VAR rack ups.delay.shutdown 11", "ERR INVALID-VALUE"),
        ("SET VAR rack ups.delay.shutdown x", "ERR INVALID-VALUE"),
        ('SET VAR rack ups.id "a\rb"', "ERR INVALID-VALUE"),
        ('SET VAR rack ups.id "a\xe4b"', "ERR INVALID-VALUE"),
        ('SET VAR rack ups.id "a\\"b"', "ERR INVALID-VALUE"),
        ("INSTCMD rack", "ERR INVALID-ARGUMENT"),
        ("INSTCMD rack load.off 1 2", "ERR INVALID-ARGUMENT"),
        ("INSTCMD nobody load.off", "ERR UNKNOWN-UPS"),
        ("INSTCMD rack frob", "ERR CMD-NOT-SUPPORTED"),
        ("INSTCMD rack load.off a\x01", "ERR INVALID-ARGUMENT"),
        ("INSTCMD rack load.off " + "1" * 65, "ERR INVALID-ARGUMENT"),
        ("SET TRACKING MAYBE", "ERR INVALID-ARGUMENT"),
        ("SET TRACKING", "ERR INVALID-ARGUMENT"),
    ],
)
def test_bad_changes_never_reach_the_driver(place: Place, line: str, reply: str) -> None:
    assert ask(place.client("boss"), line) == reply
    assert place.driver.asked == []


def test_good_changes_do(place: Place) -> None:
    client = place.client("boss")
    assert ask(client, 'SET VAR rack ups.id "a b"') == "OK"
    assert ask(client, "SET VAR RACK UPS.DELAY.SHUTDOWN 60") == "OK"
    assert ask(client, "INSTCMD RACK Test.Battery.Start 10") == "OK"
    assert place.driver.asked == [
        ("ups.id", "a b"),
        ("ups.delay.shutdown", "60"),
        ("test.battery.start", "10"),
    ]
    assert ask(client, "GET VAR rack ups.id") == 'VAR rack ups.id "a b"'


@pytest.mark.parametrize(
    ("outcome", "set_word", "command_word"),
    [
        (Outcome.FAILED, "ERR SET-FAILED", "ERR INSTCMD-FAILED"),
        (Outcome.INVALID, "ERR INVALID-VALUE", "ERR INVALID-ARGUMENT"),
        (Outcome.UNKNOWN, "OK", "OK"),
    ],
)
def test_a_refusal_is_never_called_ok(
    place: Place, outcome: Outcome, set_word: str, command_word: str
) -> None:
    place.driver.outcome = outcome
    client = place.client("boss")
    assert ask(client, "SET VAR rack ups.id x") == set_word
    assert ask(client, "INSTCMD rack load.off") == command_word


def test_a_driver_that_raises_and_one_that_is_busy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    client = place.client("boss")
    place.driver.outcome = None
    for _ in range(16):
        assert ask(client, "INSTCMD rack beeper.toggle") == "OK"
    assert ask(client, "INSTCMD rack beeper.toggle") == "ERR INSTCMD-FAILED"
    place.driver.waiting.pop()(Outcome.SUCCESS)
    assert ask(client, "INSTCMD rack beeper.toggle") == "OK"
    place.driver.waiting.pop()(Outcome.SUCCESS)

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(place.driver, "instant_command", broken)
    assert ask(client, "INSTCMD rack beeper.toggle") == "ERR INSTCMD-FAILED"


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (Outcome.SUCCESS, "SUCCESS"),
        (Outcome.FAILED, "ERR FAILED"),
        (Outcome.INVALID, "ERR INVALID-ARGUMENT"),
        (Outcome.UNKNOWN, "ERR UNKNOWN"),
    ],
)
def test_tracking(place: Place, outcome: Outcome, reply: str) -> None:
    client, other = place.client("boss"), place.client("slave")
    assert ask(client, "SET TRACKING on") == "OK"
    assert ask(client, "GET TRACKING") == "ON"
    place.driver.outcome = None
    found = re.fullmatch(r"OK TRACKING ([0-9a-f-]{36})", ask(client, "INSTCMD rack load.off"))
    assert found is not None
    name = found[1]
    assert ask(client, f"GET TRACKING {name}") == "PENDING"
    place.driver.waiting.pop()(outcome)
    assert ask(client, f"GET TRACKING {name}") == reply
    assert ask(other, f"GET TRACKING {name}") == "ERR FEATURE-NOT-CONFIGURED"
    assert ask(other, "SET TRACKING ON") == "OK"
    assert ask(other, f"GET TRACKING {name}") == reply
    assert ask(client, "GET TRACKING 00000000-0000-0000-0000-000000000000") == "ERR UNKNOWN"
    place.clock.advance(KEPT_S + 1)
    assert ask(client, f"GET TRACKING {name}") == "ERR UNKNOWN"
    assert ask(client, "SET TRACKING OFF") == "OK"
    assert ask(client, "INSTCMD rack load.off") == "OK"


def test_guessing_locks_an_address_for_a_minute(place: Place) -> None:
    for _ in range(5):
        assert place.client("boss", "wrong").answer(b"LOGIN rack").slow
    locked = place.client("boss")
    assert locked.answer(b"LOGIN rack") == Reply("ERR ACCESS-DENIED\n", slow=True)
    assert ask(place.client("boss", host="192.0.2.8"), "LOGIN rack") == "OK"
    place.clock.advance(61)
    assert ask(locked, "LOGIN rack") == "OK"


def test_asking_again_is_no_other_guess(place: Place) -> None:
    client = place.client("boss", "wrong")
    for _ in range(20):
        assert client.answer(b"LOGIN rack").slow
    assert ask(place.client("boss"), "LOGIN rack") == "OK"


def test_rights_that_are_taken_away_are_gone_at_once(place: Place) -> None:
    client = place.client("boss")
    assert ask(client, "SET VAR rack ups.id x") == "OK"
    place.users.replace(USERS[1:])
    assert ask(client, "SET VAR rack ups.id x") == "ERR ACCESS-DENIED"


@pytest.mark.parametrize("password", ["", "pässwort", "a\nb"])
def test_passwords_that_no_client_can_send(password: str) -> None:
    with pytest.raises(UserError, match="boss"):
        User("boss", password)


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(USERS)


def test_lines_and_lists_fit_into_clients_buffers(place: Place) -> None:
    for number in range(400):
        place.rack.publish({f"{'x' * 40}.{number:03}": "v" * 600})
    client = place.client()
    found = ask(client, "LIST VAR rack")
    assert max(map(len, found.split("\n"))) < REPLY_LIMIT
    assert len(found) < LIST_LIMIT


WORD = st.sampled_from(
    [
        "GET",
        "SET",
        "LIST",
        "VAR",
        "UPS",
        "rack",
        "ups.id",
        "LOGIN",
        "INSTCMD",
        "load.off",
        '"',
        "#",
        "\\",
        "=",
        "x",
    ]
)


@given(
    st.lists(
        st.one_of(st.binary(max_size=20), st.lists(WORD, max_size=7).map(lambda w: " ".join(w).encode()))
    )
)
def test_whatever_is_sent_gets_one_short_answer_each(lines: list[bytes]) -> None:
    place = Place()
    client = place.client("clerk")
    for line in lines:
        text = client.answer(line.replace(b"\n", b"")).text
        assert text.endswith("\n")
        assert text.isascii()
        assert text.count("\n") == 1 or text.startswith("BEGIN LIST ")
    assert [name for name, _ in place.driver.asked if name == "load.off"] == []
