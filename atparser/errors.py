"""Errors of this package.

A bad command is no exception: it is the ERROR result code.  Exceptions are for misuse by the caller::

    UsageError(Exception)      a method was called when or with what it may not be
        ProfileError           a stored snapshot is damaged or foreign
        InitError              an init string contains a command the modem refuses
"""


class UsageError(Exception):
    """The engine was used in a way it does not allow; a fault of the calling program."""


class ProfileError(UsageError):
    """A stored snapshot cannot be used; the text says what is wrong with it."""


class InitError(UsageError):
    """The init string holds a command the modem refuses; the text names it."""
