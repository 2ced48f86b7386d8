"""Who may do what with UPSes: users by name, their passwords, and how often somebody may guess.

A wrong name and a wrong password are one thing to whoever gives them: they cost the same time and get the
same answer.  Commands that take power from the load need to be named one by one: ``ALL`` does not contain
them.

What does not belong here: asking, and waiting after a wrong password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from vmodem.net.admission.limits import Lockout
from vmodem.net.admission.password import same

from .model import Command

ALL: Final = "all"
PRIMARY: Final = "primary"
SECONDARY: Final = "secondary"


class UserError(ValueError):
    """A user that cannot be; the text is one sentence with the remedy."""


@dataclass(frozen=True)
class User:
    """One user and the rights there are.  Raises :class:`UserError`."""

    name: str
    password: str = field(repr=False)
    #: Part in a shutdown: ``primary``, ``secondary`` or "" for none.
    upsmon: str = ""
    #: ``SET``, ``FSD``.
    actions: frozenset[str] = frozenset()
    #: Instant commands in lower case, or ``all``.
    instcmds: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.password:
            raise UserError(f'user "{self.name}" has no password; add password = "..."')
        if not (self.password.isascii() and self.password.isprintable()):
            raise UserError(
                f'the password of user "{self.name}" holds characters that clients of the protocol leave '
                "out; use printable ASCII"
            )

    @property
    def may_login(self) -> bool:
        """Whether its machine counts as one that the UPS feeds."""
        return self.upsmon in (PRIMARY, SECONDARY)

    @property
    def is_primary(self) -> bool:
        """Whether it may lead a shutdown."""
        return self.upsmon == PRIMARY

    @property
    def may_force(self) -> bool:
        """Whether it may ask for a forced shutdown."""
        return self.is_primary or "FSD" in self.actions

    @property
    def may_set(self) -> bool:
        """Whether it may change variables."""
        return "SET" in self.actions

    def may_command(self, command: Command) -> bool:
        """Whether it may give this instant command."""
        return command.name.lower() in self.instcmds or (ALL in self.instcmds and not command.cuts_power)


class Users:
    """All users, and who has guessed too often.  ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float], users: Iterable[User] = ()) -> None:
        self._lockout = Lockout(clock)
        self._users: dict[str, User] = {}
        #: Counts changes: what was found before one must be asked for again.
        self.generation = 0
        self.replace(users)

    def replace(self, users: Iterable[User]) -> None:
        """These are the users from now on."""
        found = {user.name: user for user in users}
        if found != self._users:
            self._users = found
            self.generation += 1

    def locked(self, host: str) -> bool:
        """Whether an address has guessed so often that it may not try now."""
        return self._lockout.locked(host)

    def check(self, name: str, password: str, host: str) -> User | None:
        """The user that this name and password are; None counts as a wrong guess from ``host``."""
        user = self._users.get(name)
        # Compared in any case: how long it takes must not tell which names there are.
        right = same(password.encode(), (user.password if user else "").encode())
        if user is not None and right:
            self._lockout.passed(host)
            return user
        self._lockout.failed(host)
        return None
