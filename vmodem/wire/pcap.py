"""Captures of serial lines in the file format of packet analysers: pcap with LINKTYPE_RTAC_SERIAL (250).

The file begins with a header of 24 bytes.  Each record is a pcap record header, then a serial header of 12
bytes (moment, event, circuits, two bytes that are zero) and the bytes that were carried.  Wireshark shows the
events and takes the bytes apart by the protocol it is told.

What does not belong here: files, and which events there are.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

LINKTYPE: Final = 250
#: Bytes carried by one record at most.
LONGEST: Final = 65536

_MAGIC: Final = 0xA1B2C3D4  # moments in microseconds
_SERIAL_HEADER: Final = 12
_FILE: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_SERIAL: Final = struct.Struct(">IIBBH")


class Event(enum.IntEnum):
    """What a record tells.  Sent and received are as the computer with the application sees it."""

    STATUS = 0
    SENT = 1
    RECEIVED = 2
    LOST = 5  # bytes that the capture does not hold
    FRAMING_ERROR = 7
    PARITY_ERROR = 8
    BREAK = 9
    OVERRUN = 10


class Circuits(enum.IntFlag):
    """Circuits that are on, in every record."""

    CTS = 1
    DCD = 2
    DSR = 4
    RTS = 8
    DTR = 16
    RI = 32


def file_header() -> bytes:
    """What a file begins with."""
    return _FILE.pack(_MAGIC, 2, 4, 0, 0, LONGEST + _SERIAL_HEADER, LINKTYPE)


def record(moment: float, event: Event, circuits: Circuits, data: bytes = b"") -> bytes:
    """One record; ``moment`` in seconds since 1970, ``data`` of :data:`LONGEST` bytes at most."""
    seconds = int(moment)
    micros = int((moment - seconds) * 1e6)
    size = _SERIAL_HEADER + len(data)
    return (
        _RECORD.pack(seconds & 0xFFFFFFFF, micros, size, size)
        + _SERIAL.pack(seconds & 0xFFFFFFFF, micros, event, circuits, 0)
        + data
    )
