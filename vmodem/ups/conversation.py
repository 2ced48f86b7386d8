"""What one client of the server says and is answered: Network UPS Tools protocol 1.3 (RFC 9271).

Words in, text out; the order in which requests are checked is that of the original server, for clients tell
errors apart.  Nothing that is said about a UPS that cannot be read is ever older than the moment.

What does not belong here: sockets, TLS and waiting (``session``), lines (:mod:`vmodem.wire.nut`), and what
can be asked without a name (``asking``).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.logger import Logger

from vmodem.wire import nut
from vmodem.wire.nut import Words, error, reply

from . import asking
from .asking import Refused, at_least, exactly, find, readable, value
from .model import Fault, Outcome, Ups
from .tracking import Tracking
from .users import User, Users

#: Longest argument of a command, in characters.
ARGUMENT_LIMIT: Final = 64
HELP: Final = (
    "Commands: HELP VER PROTVER GET LIST SET INSTCMD LOGIN LOGOUT USERNAME PASSWORD STARTTLS PRIMARY FSD"
)


class Server(Protocol):
    """What all conversations of a server share."""

    users: Users
    tracking: Tracking
    #: Version of the server, as ``1.2``.
    version: str

    def upses(self, host: str) -> Mapping[str, Ups]:
        """The UPSes that a client at this address may see, by their names in lower case, in order."""


class Next(enum.Enum):
    """What follows a reply."""

    GO_ON = "go on"
    CLOSE = "close"
    STARTTLS = "begin TLS"


@dataclass(frozen=True)
class Reply:
    """What to say, and what to do then."""

    text: str
    next: Next = Next.GO_ON
    #: A wrong password: it is said after a while only.
    slow: bool = False


class Conversation:
    """One client.  ``host`` is its address, "" on a Unix socket; ``tls`` says whether STARTTLS can be had."""

    _log = Logger()

    def __init__(self, server: Server, host: str, peer: str, *, tls: bool, encrypted: bool = False) -> None:
        self.encrypted = encrypted
        #: The UPS that feeds this client's machine, as it says.
        self.login: Ups | None = None
        self.username: str | None = None
        self._server = server
        self._host = host
        self._peer = peer
        self._tls = tls
        self._password: str | None = None
        self._tracking = False
        self._user: User | None = None
        self._generation = -1
        self._slow = False

    def answer(self, line: bytes) -> Reply:
        """Answer one line."""
        self._slow = False
        try:
            words = nut.split(line)
            if not words or (known := _COMMANDS.get(words[0].upper())) is None:
                raise Refused(nut.UNKNOWN_COMMAND)
            found = known(self, words)
        except nut.BadLine:
            found = error(nut.INVALID_ARGUMENT)
        except Refused as exc:
            found = error(exc.word)
        return found if isinstance(found, Reply) else Reply(found, slow=self._slow)

    def leave(self) -> None:
        """The connection has ended, however it did: no machine counts any more."""
        if self.login is not None:
            self.login.logins.pop(self, None)
            self._log.info("ups {ups}: {who} logged out", ups=self.login.name, who=self._who)
            self.login = None

    @property
    def _who(self) -> str:
        return f"{self.username} at {self._peer}"

    # -- about the server ----------------------------------------------------------------------------------

    def _ver(self, words: Words) -> str:
        exactly(words, 1)
        return f"Network UPS Tools protocol {nut.PROTOCOL_VERSION}, vmodem {self._server.version}\n"

    def _protver(self, words: Words) -> str:
        exactly(words, 1)
        return reply(nut.PROTOCOL_VERSION)

    def _help(self, words: Words) -> str:
        exactly(words, 1)
        return reply(HELP)

    def _logout(self, words: Words) -> Reply:
        exactly(words, 1)
        return Reply(reply("OK Goodbye"), Next.CLOSE)

    def _starttls(self, words: Words) -> Reply:
        if self.encrypted:
            raise Refused(nut.ALREADY_SSL_MODE)
        if not self._tls:
            raise Refused(nut.FEATURE_NOT_CONFIGURED)
        return Reply(reply("OK STARTTLS"), Next.STARTTLS)

    # -- asking --------------------------------------------------------------------------------------------

    def _get(self, words: Words) -> str:
        at_least(words, 2)
        if words[1].upper() == "TRACKING":
            return self._get_tracking(words)
        return asking.get(self._upses, self._server.version, words)

    def _list(self, words: Words) -> str:
        return asking.show(self._upses, words)

    @property
    def _upses(self) -> Mapping[str, Ups]:
        return self._server.upses(self._host)

    def _get_tracking(self, words: Words) -> str:
        if len(words) == 2:
            return reply("ON" if self._tracking else "OFF")
        if not self._tracking:
            raise Refused(nut.FEATURE_NOT_CONFIGURED)
        try:
            outcome = self._server.tracking.look(words[2].lower())
        except KeyError:
            raise Refused(nut.UNKNOWN) from None
        if outcome is None:
            return reply("PENDING")
        if outcome is Outcome.SUCCESS:
            return reply("SUCCESS")
        raise Refused(_OUTCOMES[outcome])

    # -- who it is -----------------------------------------------------------------------------------------

    def _set_username(self, words: Words) -> str:
        exactly(words, 2)
        if self.username is not None:
            raise Refused(nut.ALREADY_SET_USERNAME)
        self.username = words[1]
        return reply("OK")

    def _set_password(self, words: Words) -> str:
        exactly(words, 2)
        if self._password is not None:
            raise Refused(nut.ALREADY_SET_PASSWORD)
        self._password = words[1]
        return reply("OK")

    def _named(self) -> None:
        """A name and a password were given, right or wrong."""
        if self.username is None:
            raise Refused(nut.USERNAME_REQUIRED)
        if self._password is None:
            raise Refused(nut.PASSWORD_REQUIRED)

    def _must(self, right: Callable[[User], bool], what: str) -> User:
        """The user, if it has a right."""
        users = self._server.users
        if self._generation != users.generation:
            # Once for each connection: asking again with the same password is no other guess.
            self._user = None
            if users.locked(self._host):
                self._slow = True
                self._log.warn("{who}: refused {what}: too many wrong passwords", who=self._who, what=what)
                raise Refused(nut.ACCESS_DENIED)
            self._user = users.check(self.username or "", self._password or "", self._host)
            self._generation = users.generation
        if self._user is None:
            self._slow = True
            self._log.warn("{who}: refused {what}: wrong name or password", who=self._who, what=what)
            raise Refused(nut.ACCESS_DENIED)
        if not right(self._user):
            self._log.warn("{who}: refused {what}: no right to", who=self._who, what=what)
            raise Refused(nut.ACCESS_DENIED)
        return self._user

    def _log_in(self, words: Words) -> str:
        self._named()
        exactly(words, 2)
        if self.login is not None:
            raise Refused(nut.ALREADY_LOGGED_IN)
        ups = find(self._upses, words[1])
        self._must(lambda user: user.may_login, f"LOGIN {ups.name}")
        self.login = ups
        ups.logins[self] = self._host or "localhost"
        self._log.info("ups {ups}: {who} logged in", ups=ups.name, who=self._who)
        return reply("OK")

    def _primary(self, words: Words) -> str:
        self._named()
        exactly(words, 2)
        ups = find(self._upses, words[1])
        word = words[0].upper()
        self._must(lambda user: user.is_primary, f"{word} {ups.name}")
        return reply("OK", f"{word}-GRANTED")

    def _fsd(self, words: Words) -> str:
        self._named()
        exactly(words, 2)
        ups = find(self._upses, words[1])
        self._must(lambda user: user.may_force, f"FSD {ups.name}")
        self._log.warn("ups {ups}: {who} asks for a forced shutdown", ups=ups.name, who=self._who)
        ups.force_shutdown()
        return reply("OK FSD-SET")

    # -- changing ------------------------------------------------------------------------------------------

    def _set(self, words: Words) -> str:
        self._named()
        at_least(words, 2)
        what = words[1].upper()
        if what == "TRACKING":
            exactly(words, 3)
            if words[2].upper() not in ("ON", "OFF"):
                raise Refused(nut.INVALID_ARGUMENT)
            self._tracking = words[2].upper() == "ON"
            return reply("OK")
        if what != "VAR":
            raise Refused(nut.INVALID_ARGUMENT)
        # One word too many is a value with blanks and without quotes: half of it must not be taken for it.
        exactly(words, 5)
        ups = readable(self._upses, words[2])
        name, wanted = words[3].lower(), words[4]
        self._must(lambda user: user.may_set, f"SET {ups.name} {name}")
        value(ups, name)
        variable = ups.variable(name)
        if not variable.writable:
            raise Refused(nut.READONLY)
        fault = variable.fault(wanted)
        if fault is Fault.TOO_LONG:
            raise Refused(nut.TOO_LONG)
        if fault is not None or words.altered:
            raise Refused(nut.INVALID_VALUE)
        return self._change(
            f"ups {ups.name}: {name} = {wanted}",
            lambda done: ups.set_variable(name, wanted, done),
            {Outcome.INVALID: nut.INVALID_VALUE, Outcome.FAILED: nut.SET_FAILED},
        )

    def _instcmd(self, words: Words) -> str:
        self._named()
        if len(words) not in (3, 4):
            raise Refused(nut.INVALID_ARGUMENT)
        ups = readable(self._upses, words[1])
        command = ups.commands.get(words[2].lower())
        if command is None:
            raise Refused(nut.CMD_NOT_SUPPORTED)
        argument = words[3] if len(words) == 4 else ""
        self._must(lambda user: user.may_command(command), f"{command.name} of {ups.name}")
        if words.altered or len(argument) > ARGUMENT_LIMIT:
            raise Refused(nut.INVALID_ARGUMENT)
        return self._change(
            f"ups {ups.name}: {command.name}{' ' + argument if argument else ''}",
            lambda done: ups.instant_command(command.name, argument, done),
            {Outcome.INVALID: nut.INVALID_ARGUMENT, Outcome.FAILED: nut.INSTCMD_FAILED},
        )

    def _change(
        self, what: str, ask: Callable[[Callable[[Outcome], None]], None], refusals: Mapping[Outcome, str]
    ) -> str:
        """Have something changed.  A driver that refuses at once is believed: OK is never said then."""
        who = self._who
        self._log.warn("{what}: asked for by {who}", what=what, who=who)
        name = self._server.tracking.begin() if self._tracking else ""
        outcomes: list[Outcome] = []

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if name:
                self._server.tracking.end(name, outcome)
            self._log.info("{what}: {outcome} (for {who})", what=what, outcome=outcome.value, who=who)

        ask(done)
        if outcomes and outcomes[0] in refusals:
            raise Refused(refusals[outcomes[0]])
        return reply("OK TRACKING", name) if name else reply("OK")


_OUTCOMES: Final = {
    Outcome.INVALID: nut.INVALID_ARGUMENT,
    Outcome.FAILED: nut.FAILED,
    Outcome.UNKNOWN: nut.UNKNOWN,
}

_COMMANDS: Final[Mapping[str, Callable[[Conversation, Words], str | Reply]]] = {
    "VER": Conversation._ver,
    "NETVER": Conversation._protver,
    "PROTVER": Conversation._protver,
    "HELP": Conversation._help,
    "GET": Conversation._get,
    "LIST": Conversation._list,
    "SET": Conversation._set,
    "INSTCMD": Conversation._instcmd,
    "USERNAME": Conversation._set_username,
    "PASSWORD": Conversation._set_password,
    "LOGIN": Conversation._log_in,
    "LOGOUT": Conversation._logout,
    "PRIMARY": Conversation._primary,
    "MASTER": Conversation._primary,
    "FSD": Conversation._fsd,
    "STARTTLS": Conversation._starttls,
}
