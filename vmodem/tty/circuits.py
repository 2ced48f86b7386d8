"""The modem control lines of a serial port, as the computer it is in sees them.

A computer's port is wired as a DTE.  It drives two lines (DTR and RTS) and sees four (CTS, DSR, CD, RI).
"""

from __future__ import annotations

from typing import Final

DTR: Final = 0x002
RTS: Final = 0x004
CTS: Final = 0x020
CD: Final = 0x040
RI: Final = 0x080
DSR: Final = 0x100
