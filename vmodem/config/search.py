"""Where the configuration file is when nobody says so: here, then the user's, then the system's."""

from __future__ import annotations

import os

from .mistake import ConfigError, Mistake

NAME = "vmodem.toml"


def places() -> list[str]:
    """The files that are looked for, in order (XDG base directory specification, and /etc)."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), ".config")
    found = [NAME, os.path.join(home, "vmodem", NAME)]
    system = os.environ.get("XDG_CONFIG_DIRS", "") or "/etc/xdg"
    found += [os.path.join(each, "vmodem", NAME) for each in system.split(":") if os.path.isabs(each)]
    return [*found, os.path.join("/etc/vmodem", NAME)]


def find_config() -> str | None:
    """The first of these files that is there; None when none is."""
    return next((path for path in places() if os.path.lexists(path)), None)


def need_config() -> str:
    """The same.  Raises :class:`ConfigError` when none is there."""
    found = find_config()
    if found is None:
        text = f"is not here, and neither is {' or '.join(places()[1:])}; name a file with -c FILE"
        raise ConfigError([Mistake(NAME, 0, "", text)])
    return found
