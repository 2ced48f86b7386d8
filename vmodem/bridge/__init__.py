"""Joining a serial line to a place on the network, or to another line, with a look at the bytes.

For scripts: :func:`run` with a LINE and a TARGET, and a :class:`Filter` that parses or changes what goes
over.  For programs on a reactor of their own: :class:`Bridge` with the ports of :func:`make_end`.
"""

from vmodem.port.base import Noted, PortError, Settings, Signals
from vmodem.port.watching import CaptureTap, Tap, Trace, Way

from .bridge import NO_WIRING, NULL_MODEM, Bridge, Wiring
from .ends import Line, To, make_end
from .filter import Filter
from .run import run

__all__ = [
    "NO_WIRING",
    "NULL_MODEM",
    "Bridge",
    "CaptureTap",
    "Filter",
    "Line",
    "Noted",
    "PortError",
    "Settings",
    "Signals",
    "Tap",
    "To",
    "Trace",
    "Way",
    "Wiring",
    "make_end",
    "run",
]
