"""A stream slowed down to the speed of a telephone modem.

:class:`PacedStream` stands between a stream and its user.  Each direction is a lane with a budget of its own:
ten bits to the byte, counted from the moment the lane became busy, so that no fraction of a byte is ever
rounded away.  What may not go yet waits here, and while anything waits the side it comes from is held up.

What does not belong here: which calls are paced (the directory says so), and a DTE's own speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vmodem.net.layer import Layer
from vmodem.net.signals import signals_of
from vmodem.net.stream import Stream

#: Bits on a telephone line for each byte: start, eight of data, stop.
BITS_PER_BYTE: Final = 10
#: How often a busy lane sends, in seconds; slow ones send a byte whenever one is due.
TICK_S: Final = 0.02
#: A timer found later than this, in seconds, is not made up for: no modem sends a burst after a standstill.
CATCH_UP_S: Final = 0.25
#: Bytes that may wait for the far end before the user is told to stop.  Somebody typing a little faster than
#: the call must not be held up, or the silences around an escape sequence would be seen shortened.
ROOM: Final = 64
#: Moments are floating point: a byte is due when it is due but for this part of it.
_NEARLY: Final = 0.001


class PacedStream(Layer):
    """A :class:`vmodem.net.stream.Stream` that carries ``inner`` at ``rate`` bit/s each way.

    ``inner`` must not have been started; it belongs to this stream from now on.
    """

    # Breaks that wait for the bytes of their lane to have gone.
    _break_out: float | None = None
    _break_in = False

    def __init__(self, reactor: Any, inner: Stream, rate: int) -> None:
        if rate <= 0:
            raise ValueError(f"a rate in bit/s was expected, not {rate}")
        super().__init__(reactor, inner)
        self.signals = signals_of(inner)
        self._out = _Lane(reactor, rate, inner.write, self._send_on)
        self._in = _Lane(reactor, rate, self._hand_over, self._moved_in)
        inner.break_received = self._break_came

    # -- towards the far end -------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if data and not self._closing:
            self._out.put(data)

    @property
    def backlog(self) -> int:
        return len(self._out.queue) + self._below.backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        if self._out.queue and not expedited:
            self._break_out = seconds
        else:
            self._below.send_break(seconds, expedited)

    def discard_pending(self) -> None:
        self._below.discard_pending()
        self._blocked = False
        self._out.clear()

    def write_blocked(self) -> None:
        self._blocked = True
        self._out.hold()

    def write_drained(self) -> None:
        self._blocked = False
        self._out.release()

    def _send(self) -> None:
        if self._break_out is not None and not self._out.queue:
            seconds, self._break_out = self._break_out, None
            self._below.send_break(seconds, False)

    def _waits(self) -> bool:
        return len(self._out.queue) > (0 if self._told or self._closing else ROOM)

    def _forget(self) -> None:
        self._out.stop()

    # -- from the far end ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not (self._closing or self._below_ended is not None):
            self._in.put(data)

    def pause(self) -> None:
        self._paused = True
        self._in.hold()

    def resume(self) -> None:
        self._paused = False
        self._in.release()

    def _break_came(self) -> None:
        if self._in.queue:
            self._break_in = True
        elif not self._closing:
            self.break_received()

    def _unread(self) -> bool:
        return bool(self._in.queue)

    def _hand_over(self, data: bytes) -> None:
        self._delivering = True
        try:
            self._user.data_received(data)
        except Exception as exc:
            self._in.stop()
            self._user_failed(exc)
        finally:
            self._delivering = False

    def _moved_in(self) -> None:
        """Bytes were handed over, or have to wait."""
        if self._break_in:
            self._deliver()
        if self._below_ended is not None:
            self._tell_end()
        self._steer()

    def _deliver(self) -> None:
        if self._break_in and not self._unread():
            self._break_in = False
            self.break_received()

    # -- beginning and end ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        super()._begin()
        if self._blocked:
            self._out.hold()

    def _leave(self) -> None:
        self._in.stop()
        self._break_in = False

    def _stop(self) -> None:
        super()._stop()
        self._in.stop()


class _Lane:
    """Bytes in one direction.

    ``send`` takes what may go.  ``moved`` is called after that and after every other change, never from
    within ``send``.
    """

    def __init__(
        self, reactor: Any, rate: int, send: Callable[[bytes], None], moved: Callable[[], None]
    ) -> None:
        self.queue = bytearray()
        #: Nothing may go: the receiving side is blocked or paused.
        self.held = False
        self._reactor = reactor
        self._budget = _Budget(rate)
        self._send = send
        self._moved = moved
        self._sending = False
        self._stopped = False
        self._timer: Any = None

    def put(self, data: bytes) -> None:
        """Send as much as may go at once, keep the rest."""
        if self._stopped:
            return
        idle = not (self.queue or self.held or self._sending)
        self.queue += data
        if idle:
            self._budget.settle(self._reactor.seconds())
            self._go()
        else:
            self._changed()

    def hold(self) -> None:
        if not (self.held or self._stopped):
            self.held = True
            self._changed()

    def release(self) -> None:
        """Go on, from the reactor: whoever releases a lane does not expect bytes in the middle of that."""
        if self.held and not self._stopped:
            self.held = False
            self._budget.settle(self._reactor.seconds())
            self._changed()

    def clear(self) -> None:
        """Forget what waits."""
        self.queue.clear()
        self.held = False
        self._changed()

    def stop(self) -> None:
        """Forget what waits, and take nothing any more."""
        self._stopped = True
        self.queue.clear()
        self._arm()

    def _tick(self) -> None:
        self._timer = None
        self._budget.catch_up(self._reactor.seconds())
        self._go()

    def _go(self) -> None:
        size = min(self._budget.allowed(self._reactor.seconds()), len(self.queue))
        if size:
            data = bytes(self.queue[:size])
            del self.queue[:size]
            self._budget.spend(size)
            self._sending = True
            try:
                self._send(data)
            finally:
                self._sending = False
        self._changed()

    def _changed(self) -> None:
        if not self._sending:
            self._arm()
            self._moved()

    def _arm(self) -> None:
        """One timer while bytes wait that may go, else none."""
        if self.held or not self.queue:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            wait_s = self._budget.wait_s(self._reactor.seconds(), len(self.queue))
            self._timer = self._reactor.callLater(wait_s, self._tick)


class _Budget:
    """How many bytes may go by when; moments in seconds on one clock.

    Byte number n since ``_began`` is due n byte times later.  Both numbers are kept while the lane is busy,
    and nothing is added up: that is what makes any rate come out exactly.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        #: Bytes that go together, at least one.
        self._together = max(1, round(rate * TICK_S / BITS_PER_BYTE))
        self._tick_s = self._time(self._together)
        self._began = float("-inf")
        self._spent = 0

    def settle(self, now: float) -> None:
        """The lane was silent or held: at most one tick's worth has been saved up."""
        self._limit(now, self._tick_s)

    def catch_up(self, now: float) -> None:
        """The lane was busy: a tick that came late is made up for, within reason."""
        self._limit(now, self._tick_s + CATCH_UP_S)

    def allowed(self, now: float) -> int:
        """Bytes that may go now."""
        return max(0, int((now - self._began) * self._rate / BITS_PER_BYTE + _NEARLY) - self._spent)

    def spend(self, size: int) -> None:
        """So many bytes went."""
        self._spent += size

    def wait_s(self, now: float, waiting: int) -> float:
        """How long until a tick's worth, or all of ``waiting`` bytes if that is less, may go."""
        return max(0.0, self._began + self._time(self._spent + min(waiting, self._together)) - now)

    def _time(self, size: int) -> float:
        return size * BITS_PER_BYTE / self._rate

    def _limit(self, now: float, saved_s: float) -> None:
        if now - (self._began + self._time(self._spent)) > saved_s:
            self._began, self._spent = now - saved_s, 0
