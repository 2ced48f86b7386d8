"""Where state is kept unless somebody says otherwise.  Light, for a command line that starts at once.

What does not belong here: what is kept there (storage.py).
"""

from __future__ import annotations

import os


def default_folder() -> str:
    """The user's state folder (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        base = os.path.join(home, ".local", "state") if os.path.isabs(home) else _temporary()
    return os.path.join(base, "vmodem")


def unusable(folder: str) -> str:
    """Why the folder, or one that is to be made there, cannot be written to; "" when it can."""
    while not os.path.lexists(folder):
        above = os.path.dirname(os.path.abspath(folder))
        if above == folder:
            break
        folder = above
    if not os.path.isdir(folder):
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} may not be written to"


def _temporary() -> str:
    import tempfile

    return tempfile.gettempdir()
