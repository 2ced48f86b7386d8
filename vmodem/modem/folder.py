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


def _temporary() -> str:
    import tempfile

    return tempfile.gettempdir()
