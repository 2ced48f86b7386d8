"""A serial device opened for what is attached to it: every parameter at once, and read back.

What does not belong here: retrying, and what a change waits for.
"""

from __future__ import annotations

import errno
import os
import termios
from dataclasses import dataclass
from typing import Final

import serial
import serial.rs485

from vmodem.tty.device import error_number
from vmodem.tty.rate import rate_of
from vmodem.tty.rs485 import Rs485

#: A rate this near to the one asked for is that one, as far as characters can tell.
TOLERANCE: Final = 0.03
_CMSPAR: Final = getattr(termios, "CMSPAR", 0o10000000000)
_SIZES: Final = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}
_PTY_MAJORS: Final = range(136, 144)


@dataclass(frozen=True)
class Character:
    """How characters are sent, and which flow control is the kernel's."""

    rate: int
    bits: int
    parity: str
    stop: float
    rtscts: bool
    xonxoff: bool


class Equipment(serial.Serial):
    """A port whose circuits nobody touches but by being told to, opened without throwing away what has
    arrived in the meantime.

    Closing it leaves them as they are where ``hang_up`` is False.  ``marks`` has the kernel mark errors and
    breaks among the received bytes; ``ignore_breaks()`` has it drop the zeros of breaks instead.
    """

    def __init__(self, device: str, character: Character, *, exclusive: bool, rs485: Rs485 | None) -> None:
        super().__init__(exclusive=exclusive or None)
        self.device = device
        self.hang_up: bool | None = None
        self.marks = False
        self._ignores_breaks = False
        # Whether the kernel obeys XOFF, whether it sends it, XON and XOFF; None leaves that to ``xonxoff``.
        self._characters: tuple[bool, bool, int, int] | None = None
        self._take(character)
        if rs485 is not None:
            self._rs485_mode = serial.rs485.RS485Settings(
                rts_level_for_tx=rs485.rts_on_send,
                rts_level_for_rx=not rs485.rts_on_send,
                loopback=rs485.receive_while_sending,
                delay_before_tx=rs485.before / 1000,
                delay_before_rx=rs485.after / 1000,
            )

    def open_device(self, character: Character) -> None:
        """Open it, set so.  Raises what :func:`vmodem.tty.device.explain` explains."""
        self._take(character)
        self.port = self.device
        self.open()
        os.set_blocking(self.fileno(), False)

    def change(self, wanted: Character) -> None:
        """Set the open port so, all at once.  Raises :class:`OSError`, :class:`ValueError` or
        ``termios.error``; then everything is tried to be as it was."""
        before = Character(
            self._baudrate, self._bytesize, self._parity, self._stopbits, self._rtscts, self._xonxoff
        )
        self._take(wanted)
        try:
            self._reconfigure_port()
        except BaseException:
            self._take(before)
            try:
                self._reconfigure_port()
            except (OSError, ValueError, termios.error):
                pass  # the port is gone, which its reader will find
            raise

    def change_rate(self, rate: int) -> str | None:
        """Set the speed of the open port; returns why it refuses, and then the speed is as it was.

        Of a port that is gone its reader will hear.
        """
        before = self.baudrate
        try:
            self.baudrate = rate
            if self.xonxoff or (self._characters is not None and self._characters[0]):
                termios.tcflow(self.fileno(), termios.TCOON)  # what was misheard as XOFF holds nothing up
            return None
        except (OSError, ValueError, termios.error) as exc:
            try:
                self.baudrate = before
            except (OSError, ValueError, termios.error):
                pass
            return str(exc) if isinstance(exc, ValueError) or error_number(exc) == errno.EINVAL else None

    def set_flow(self, by_circuits: bool, obeyed: bool, sent: bool, xon: int, xoff: int) -> None:
        """Have the kernel hold up and be held up so, also once the port is opened again."""
        self._characters = (obeyed, sent, xon, xoff)
        try:
            self.rtscts = by_circuits
        except (OSError, ValueError, termios.error):
            pass  # the port is gone, which its reader will find

    def ignore_breaks(self) -> None:
        """Do not take a break for a zero any more."""
        self._ignores_breaks = True
        self._reconfigure_port()

    def in_force(self) -> Character:
        """What the device is set to; raises :class:`OSError` or ``termios.error`` when it is gone."""
        fd = self.fileno()
        iflag, _, cflag = termios.tcgetattr(fd)[:3]
        asked, rate, bits = self._baudrate, rate_of(fd), _SIZES[cflag & termios.CSIZE]
        if abs(rate - asked) <= TOLERANCE * asked:
            rate = asked
        parity = "N"
        if cflag & termios.PARENB:
            odd = bool(cflag & termios.PARODD)
            parity = ("SM" if cflag & _CMSPAR else "EO")[odd]
        stop: float = 1
        if cflag & termios.CSTOPB:
            stop = 1.5 if bits == 5 else 2
        xonxoff = bool(iflag & (termios.IXON | termios.IXOFF))
        return Character(rate, bits, parity, stop, bool(cflag & termios.CRTSCTS), xonxoff)

    @property
    def virtual(self) -> bool:
        """Whether it is a pseudo-terminal, where nothing takes time."""
        return os.major(os.fstat(self.fileno()).st_rdev) in _PTY_MAJORS

    def _take(self, wanted: Character) -> None:
        self._baudrate, self._bytesize, self._parity = wanted.rate, wanted.bits, wanted.parity
        self._stopbits, self._rtscts, self._xonxoff = wanted.stop, wanted.rtscts, wanted.xonxoff

    def _reconfigure_port(self, force_update: bool = False) -> None:
        super()._reconfigure_port(force_update)  # type: ignore[misc]
        fd = self.fd  # fileno() has none yet while the port is being opened
        assert fd is not None
        before = termios.tcgetattr(fd)
        settings = [*before[:6], list(before[6])]
        if self._ignores_breaks:
            settings[0] |= termios.IGNBRK
        if self._characters is not None:
            obeyed, sent, xon, xoff = self._characters
            settings[0] &= ~(termios.IXON | termios.IXOFF | termios.IXANY)
            settings[0] |= (termios.IXON if obeyed else 0) | (termios.IXOFF if sent else 0)
            settings[6][termios.VSTART], settings[6][termios.VSTOP] = bytes((xon,)), bytes((xoff,))
        if self.marks:
            settings[0] = settings[0] & ~(termios.IGNBRK | termios.BRKINT) | termios.INPCK | termios.PARMRK
        if self.hang_up is not None:
            settings[2] = settings[2] & ~termios.HUPCL | (termios.HUPCL if self.hang_up else 0)
        if settings != before:
            termios.tcsetattr(fd, termios.TCSANOW, settings)

    def _reset_input_buffer(self) -> None:
        """What has arrived since the opening is kept."""

    def _update_dtr_state(self) -> None:
        """Both outputs are driven at the same moment, not one after the other."""

    def _update_rts_state(self) -> None:
        """As DTR."""
