"""Finding a DTE's rate from misheard commands: every pair of rates, over a simulated pair of UARTs."""

from __future__ import annotations

import fcntl
import itertools
import math
import os
import random
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atparser import Modem
from tests.helpers.reactors import Reactor
from tests.helpers.uart import Format, Receiver, Signal, breaks, heard, transmit
from vmodem.line import autobaud, evidence, following, misheard
from vmodem.line.autobaud import LISTENING, SILENCE_S, TRIAL_S, Autobaud
from vmodem.line.base import LineError
from vmodem.line.misheard import LADDER, Frame, deaf, explain
from vmodem.line.parse import make_line
from vmodem.line.serialport import SerialLine
from vmodem.modem.driver import Driver
from vmodem.tty.rate import rate_of

from .conftest import User

PLAIN, EVEN, ODD = Format(), Format(7, "E"), Format(7, "O")
FORMATS = {"8N1": PLAIN, "7E1": EVEN, "7O1": ODD}
PAIRS = list(itertools.permutations(LADDER, 2))
#: Programs try again after so long, in seconds.
AGAIN_S = 1.0
#: Signs so far apart never add up, in seconds.
FORGOTTEN_S = 2 * evidence.FADING_S
PPP = bytes.fromhex("7eff7d23c0217d217d217d207d347d227d267d207d207d207d20fb8d7e")


class Dte:
    """A DTE on a cable to a receiver that an :class:`Autobaud` sets; each signal finds the receiver's clock
    elsewhere.  ``tells`` is whether the receiver's driver counts errors, ``late`` that everything is handed
    over at the end of a signal."""

    def __init__(
        self, auto: Autobaud, rate: int, form: Format = PLAIN, *, tells: bool = False, late: bool = False
    ) -> None:
        self.auto = auto
        self.rate, self.form = rate, form
        self.tells, self.late = tells, late
        #: By how much its clock is wrong.
        self.clock = 0.0
        self.rng = random.Random(rate * auto.rate)
        self.now = 0.0
        #: What the modem was given.
        self.read = bytearray()
        #: Rates in the order in which they were set.
        self.rates = [auto.rate]
        #: Characters received of the last signal, at whatever rate.
        self.count = 0

    def send(self, text: bytes, every: float = 0.0) -> bytes:
        """Send, with at least so many seconds from character to character; returns what the modem got."""
        pause = max(0.0, every - (self.form.bits + 2 + (self.form.parity != "N")) / self.rate)
        rate = self.rate * (1 + self.clock)
        return self.signal(transmit(text, rate, self.form, at=self.now, pause=pause))

    def send_unevenly(self, text: bytes, longest: float) -> bytes:
        """Send with a pause of up to so many seconds after each character."""
        edges: list[float] = []
        ends = self.now
        for byte in text:
            signal = transmit(bytes([byte]), self.rate, self.form, at=ends)
            edges += signal.edges
            ends = signal.ends + self.rng.uniform(0, longest)
        return self.signal(Signal(tuple(edges), signal.ends))

    def signal(self, signal: Signal) -> bytes:
        before = len(self.read)
        since: float | None = -math.inf
        self.count = 0
        while since is not None:
            since = self._receive(signal, since)
        self.now = max(self.now, signal.ends)
        return bytes(self.read[before:])

    def _receive(self, signal: Signal, since: float) -> float | None:
        """Receive from a moment on; returns when the rate was changed, if it was."""
        auto, rate = self.auto, self.auto.rate
        receiver = Receiver(
            rate,
            phase=self.rng.random(),
            drift=self.rng.uniform(-0.01, 0.01),
            eager=self.rng.random() < 0.5,
        )
        for character in receiver.receive(signal, since):
            moment = max(character.moment, signal.ends) if self.late else character.moment
            while (due := auto.deadline()) is not None and due < moment:
                self._expire(due)
                if auto.rate != rate:
                    return due
            self.count += 1
            errors = int(character.framing_error) if self.tells else None
            self._take(auto.received(bytes([character.value]), errors, moment))
            if auto.rate != rate:
                return moment
        return None

    def wait(self, seconds: float) -> bytes:
        """Let time pass; returns what the modem got."""
        before = len(self.read)
        self.now += seconds
        while (due := self.auto.deadline()) is not None and due <= self.now:
            self._expire(due)
        return bytes(self.read[before:])

    def _expire(self, due: float) -> None:
        self._take(self.auto.expire(due))

    def _take(self, data: bytes) -> None:
        self.read += data
        if self.auto.rate != self.rates[-1]:
            self.rates.append(self.auto.rate)

    def try_until_found(self, text: bytes = b"AT\r", every: float = 0.0, limit: int = 8) -> int:
        """Send a command again and again until the rate is found; returns how often that was."""
        for attempt in range(1, limit + 1):
            self.send(text, every)
            self.wait(AGAIN_S)
            if self.auto.rate == self.rate:
                return attempt
        pytest.fail(f"not found: {self.rates}")

    def is_read(self) -> bool:
        """Whether a command sent now reaches the modem."""
        got = self.send(b"AT\r") + self.wait(AGAIN_S)
        return bytes(byte & 0x7F for byte in got) == b"AT\r" and self.auto.good == self.rate


def settled(rate: int, form: Format = PLAIN, **more: Any) -> Dte:
    """A DTE whose commands are read at this rate."""
    dte = Dte(Autobaud(rate), rate, form, **more)
    assert dte.is_read()
    dte.wait(10)
    return dte


def moved(before: int, after: int, form: Format = PLAIN, **more: Any) -> Dte:
    """One that was read at a rate, and now begins anew at another one."""
    dte = settled(before, form, **more)
    dte.rate = after
    dte.read.clear()
    dte.auto.dtr_rose(dte.now)
    dte.wait(autobaud.RISEN_S)
    return dte


def audible(before: int, after: int, text: bytes, form: Format) -> bool:
    """Whether a receiver that is settled at one rate surely hears something of a text sent at another.

    From the rates that are too slow for that it has gone elsewhere by then.
    """
    if deaf(before, autobaud.RISEN):
        before = LISTENING
    return before == after or all(
        heard(text, after, Receiver(before, phase=phase / 8), form) for phase in range(8)
    )


# -- the model -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_model_agrees_with_the_simulated_receiver(form: Format) -> None:
    """But for clocks that differ by just so much that an edge of the one falls into a middle of the other."""
    rng = random.Random(form.parity)
    explained = []
    for before, after in PAIRS * 3:
        for text in (b"AT\r", b"at\r"):
            receiver = Receiver(before, phase=rng.random(), drift=rng.uniform(-0.01, 0.01))
            burst = heard(text, after, receiver, form)
            if burst:
                explained.append(after in explain(burst, before))
    assert explained.count(True) > 0.97 * len(explained)


def test_equal_rates_are_heard_right() -> None:
    text = bytes(range(256))
    for rate in LADDER:
        assert misheard.hearings(misheard.levels(text), 1.0) == {text: pytest.approx(1.0)}
        assert heard(text, rate, Receiver(rate, phase=0.5, drift=0.02)) == text


def test_breaks_and_framing_errors_are_told() -> None:
    assert misheard.hearings(misheard.levels(b"\x00"), 0.5) == {b"\x00": pytest.approx(1.0)}
    held = list(Receiver(9600).receive(breaks((0.0, 0.1))))
    assert [(each.value, each.is_break) for each in held] == [(0, True)]


# -- every pair ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_found_within_three_commands(before: int, after: int) -> None:
    for form in FORMATS.values():
        for text in (b"AT\r", b"at\r"):
            if not audible(before, after, text, form):
                continue
            for tells in (False, True):
                dte = moved(before, after, form, tells=tells)
                assert dte.try_until_found(text) <= 3, dte.rates
                assert dte.is_read()


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_found_within_three_commands_in_other_ways(before: int, after: int) -> None:
    if not audible(before, after, b"AT\r", PLAIN):
        return
    for late, returns, every in ((True, 0, 0.0), (False, 5, 0.0), (False, 0, 0.01)):
        if every and not all(audible(before, after, text, PLAIN) for text in (b"A", b"T")):
            continue
        dte = moved(before, after, late=late)
        if returns:
            dte.send(b"\r" * returns, 0.01)
            dte.wait(0.05)
        if dte.auto.rate != after:
            assert dte.try_until_found(every=every) <= 3, dte.rates
        assert dte.is_read()


def test_only_what_cannot_be_heard_is_excepted() -> None:
    """AT at 460800 is over before a receiver at 9600 believes its start bit, one time in three.

    Where the one is twelve times as fast as the other, lower case with parity often leaves no trace either.
    """
    for text, form in itertools.product((b"AT\r", b"at\r"), FORMATS.values()):
        twelve = (
            {(9600, 115200), (19200, 230400), (38400, 460800)} if (text, form) == (b"at\r", EVEN) else set()
        )
        assert {pair for pair in PAIRS if not audible(*pair, text, form)} == {(9600, 460800)} | twelve


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_found_within_three_commands_whatever_the_clocks(before: int, after: int) -> None:
    if not audible(before, after, b"AT\r", PLAIN):
        return
    for seed in range(6):
        dte = moved(before, after, tells=seed % 2 == 0, late=seed % 3 == 0)
        dte.rng = random.Random(seed)
        dte.clock = dte.rng.uniform(-0.015, 0.015)
        assert dte.try_until_found() <= 3, dte.rates
        assert dte.is_read()


@pytest.mark.parametrize("longest", [0.002, 0.02])
def test_pauses_between_characters_seldom_cost_more(longest: float) -> None:
    attempts = []
    for before, after in PAIRS:
        if not all(audible(before, after, text, PLAIN) for text in (b"A", b"T")):
            continue
        dte = moved(before, after)
        attempts.append(0)
        while dte.auto.rate != after:
            attempts[-1] += 1
            assert attempts[-1] <= 8, dte.rates
            dte.send_unevenly(b"AT\r", longest)
            dte.wait(AGAIN_S)
        assert dte.is_read()
    assert sum(each <= 3 for each in attempts) >= 0.97 * len(attempts)


def test_once_heard_is_enough_from_9600_to_460800() -> None:
    """It is asked about first, since it may not be heard again; the slower ones are recognised from there."""
    dte = Dte(Autobaud(9600), 460800)
    dte._take(dte.auto.received(b"\xff", None, 0.0))
    dte.wait(AGAIN_S)
    assert dte.auto.rate == 460800
    for rate in (115200, 230400):
        dte = Dte(Autobaud(9600), rate)
        dte._take(dte.auto.received(b"\xff", None, 0.0))
        dte.wait(AGAIN_S)
        assert dte.try_until_found() == 1


@pytest.mark.parametrize("seed", range(12))
def test_three_commands_that_are_heard_are_enough(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 9600 to 460800, counting only those of which a start bit was believed."""
    dte = moved(9600, 460800)
    dte.rng = random.Random(seed)
    received = dte.auto.received
    noticed: set[int] = set()
    attempt = 0

    def counted(data: bytes, errors: int | None, now: float) -> bytes:
        noticed.add(attempt)
        return received(data, errors, now)

    monkeypatch.setattr(dte.auto, "received", counted)
    while dte.auto.rate != 460800:
        attempt += 1
        assert attempt < 20
        dte.send(b"AT\r")
        dte.wait(AGAIN_S)
    assert len(noticed) <= 3
    assert dte.is_read()


def test_one_command_is_mostly_enough() -> None:
    attempts = [moved(*pair).try_until_found() for pair in PAIRS if audible(*pair, b"AT\r", PLAIN)]
    assert attempts.count(1) > 0.7 * len(attempts)


@pytest.mark.parametrize("text", [b"ATZ\r", b"ATQ0 V1 E1\r", b"ATQ0V1E1\r", b"AT&F&C1&D2S0=0\r", b"ate0\r\n"])
def test_longer_commands(text: bytes) -> None:
    for before, after in [(9600, 2400), (9600, 300), (9600, 19200), (9600, 115200), (115200, 9600)]:
        dte = moved(before, after)
        dte.try_until_found(text, limit=8)
        assert dte.is_read()


def test_typed_by_hand() -> None:
    for before, after in [(9600, 2400), (9600, 19200), (9600, 38400), (115200, 9600), (115200, 1200)]:
        dte = moved(before, after)
        dte.try_until_found(every=0.15, limit=8)
        assert b"AT\r" in dte.send(b"AT\r", 0.15)


# -- programs ------------------------------------------------------------------------------------------------


def test_ladder_of_a_program_that_looks_for_the_highest_rate() -> None:
    """Bare CRs at 38400, a growing line at 2400, then AT at each higher rate until nothing answers."""
    dte = Dte(Autobaud(9600), 38400)
    dte.send(b"\r" * 5, 0.01)
    dte.rate = 2400
    dte.wait(0.05)
    for text in (b"ATQ0 V1 E1\r", b"ATQ0 V1 E1\r", b"ATQ0 V1 E1\r", b"ATQ0 V1 E1 Z\r"):
        got = dte.send(text) + dte.wait(1)
    assert got == b"ATQ0 V1 E1 Z\r"
    for rate in LADDER[LADDER.index(4800) :]:
        dte.rate = rate
        dte.wait(0.03)
        attempts = dte.try_until_found(limit=3)
        assert attempts <= (1 if rate != 460800 else 2)
        assert dte.is_read()


@pytest.mark.parametrize("before", [rate for rate in LADDER if rate >= 9600])
@pytest.mark.parametrize("seed", range(5))
def test_one_try_at_each_of_three_rates(before: int, seed: int) -> None:
    """wvdialconf gives up after one line at 2400, 9600 and 115200 each; who is answered goes up from there,
    with three tries at each rate."""
    dte = moved(before, 38400, tells=seed % 2 == 0)
    dte.rng = random.Random(seed)
    dte.clock = dte.rng.uniform(-0.015, 0.015)
    dte.send(b"\r" * 5, 0.01)
    dte.wait(0.02)

    def answered(rate: int, text: bytes) -> bool:
        dte.rate = rate
        dte.wait(0.05)
        if dte.send(text) == text and dte.auto.rate == rate:
            dte.auto.written(dte.now)
            return True
        dte.wait(0.5)
        return False

    assert any(answered(rate, b"ATQ0 V1 E1\r") for rate in (2400, 9600, 115200)), dte.rates
    assert answered(dte.rate, b"ATQ0 V1 E1 Z\r")
    for rate in LADDER[LADDER.index(dte.rate) + 1 :]:
        assert any(answered(rate, b"AT\r") for _ in range(3)), (rate, dte.rates)


def test_search_downwards() -> None:
    dte = Dte(Autobaud(9600), 38400)
    for rate in (38400, 19200, 9600, 2400, 1200):
        dte.rate = rate
        texts = (b"ATQ0V1E1\r", b"AT\r", b"AT\r", b"AT\r")
        answers = [dte.send(text) + dte.wait(1) for text in texts]
        assert answers[-1] == b"AT\r", rate


def test_a_slow_rate_that_hears_nothing_is_left_after_a_silence() -> None:
    dte = settled(300)
    dte.wait(SILENCE_S)
    assert dte.auto.rate == LISTENING
    assert dte.auto.good == 300
    dte.auto.written(dte.now)  # RING goes out at the rate the DTE knows
    assert dte.auto.rate == 300
    assert dte.is_read()
    dte.wait(SILENCE_S)
    dte.rate = 115200
    assert dte.try_until_found() <= 2
    assert dte.is_read()
    dte.wait(10 * SILENCE_S)
    assert dte.auto.rate == 115200


def test_usual_rates_wait_for_ever() -> None:
    for rate in (9600, 115200):
        dte = settled(rate)
        dte.auto.dtr_rose(dte.now)
        assert dte.auto.deadline() is None


# -- what must not move it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", LADDER)
def test_single_glitches(rate: int) -> None:
    rng = random.Random(rate)
    dte = settled(rate)
    for _ in range(100):
        length = rng.uniform(0.3, 30) / rate
        dte.signal(breaks((dte.now, dte.now + length)))
        assert dte.wait(0.1) == b""
        assert dte.auto.rate == rate
        assert dte.is_read()


def test_glitches_without_commands_between() -> None:
    """Far apart they never add up; close together they may, and then the good rate comes back."""
    dte = settled(9600)
    for _ in range(20):
        dte.signal(breaks((dte.now, dte.now + 0.0003)))
        dte.wait(FORGOTTEN_S)
        assert dte.auto.rate == 9600
    for _ in range(20):
        dte.signal(breaks((dte.now, dte.now + 0.0003)))
        dte.wait(0.2)
    dte.wait(TRIAL_S + 1)
    assert dte.auto.rate == 9600
    assert dte.is_read()


def test_noise_within_a_command() -> None:
    dte = settled(9600)
    auto = dte.auto
    assert auto.received(b"ATD\xff12", 1, 1e3) == b"ATD\xff12"
    assert auto.received(b"34\r", 0, 1e3 + 0.01) == b"34\r"
    assert auto.deadline() is None


def test_data_of_a_call_do_not_move_it() -> None:
    dte = settled(115200)
    dte.auto.call_active(True, dte.now)
    rng = random.Random(7)
    for _ in range(200):
        block = rng.randbytes(50) + bytes(10)
        assert dte.auto.received(block, 60, dte.now) == block
        dte.now += 0.1
        assert dte.auto.deadline() is None
    dte.auto.call_active(False, dte.now)
    assert dte.auto.rate == 115200
    assert dte.is_read()


@pytest.mark.parametrize("tells", [False, True])
def test_data_after_a_call_are_kept_from_the_modem(tells: bool) -> None:
    """A DTE that does not notice the end of a call goes on sending frames."""
    dte = settled(9600, tells=tells)
    for _ in range(5):
        assert dte.send(PPP) + dte.wait(3) == b""
    dte.wait(TRIAL_S)
    assert dte.auto.rate == 9600
    assert dte.is_read()


def test_text_that_is_no_command_reaches_the_modem_late_but_whole() -> None:
    dte = settled(9600)
    for text in (b"hello", b"+++", b"\x1b\x1b\x1b", b"CLIENT", b"  \t", b"x"):
        assert dte.send(text) == b""
        assert dte.wait(0.1) == text
    assert dte.send(b"+++AT\rlogin: ATZ\r") == b"+++AT\rlogin: ATZ\r"
    assert dte.send(b"\r\nA/") == b"\r\nA/"
    assert dte.auto.rate == 9600


@pytest.mark.parametrize("rate", LADDER)
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_what_somebody_types_that_is_no_command_does_not_move_it(rate: int, form: Format) -> None:
    """Each letter may be a command misheard; but then the next one is another rate's."""
    dte = settled(rate, form)
    for text in (b"hello", b"exit", b"help me", b"ls -l", b"quit", b"xyzzy", b"login: joe"):
        for byte in text + b"\r":
            dte.send(bytes([byte]))
            dte.wait(0.15)
    assert dte.rates == [rate]
    assert dte.is_read()


def test_bytes_pass_at_once_within_a_command() -> None:
    dte = settled(9600)
    for byte in b"\rAATDT 123\x08\x7f\r":
        assert dte.send(bytes([byte])) == bytes([byte])
        dte.wait(0.2)


def test_one_command_after_the_other() -> None:
    auto = Autobaud(9600)
    text = b"AT\r\nATE0\rA/ATS0?\r"
    assert auto.received(text, None, 1.0) == text


def test_half_typed_command_does_not_open_the_door_for_ever() -> None:
    dte = settled(9600)
    assert dte.send(b"ATD123") == b"ATD123"
    dte.rate = 38400
    dte.wait(60)
    assert dte.try_until_found() <= 2
    assert bytes(dte.read[-6:]) == b"ATD123"
    assert dte.is_read()


def test_garbage_is_not_given_to_the_modem() -> None:
    """Not even where it looks like a letter somebody may have typed: AT three times too fast is a j."""
    leaked = {}
    for before, after in PAIRS:
        dte = moved(before, after)
        for _ in range(3):
            if dte.auto.rate != after:
                dte.send(b"AT\r")
                dte.wait(AGAIN_S)
        if dte.read:
            leaked[before, after] = bytes(dte.read)
    assert leaked == {}


# -- how much it takes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "rate"), [(1.0, 38400), (FORGOTTEN_S, 9600)])
def test_two_like_signs_count_if_they_are_close(apart: float, rate: int) -> None:
    """C0 is what AT sounds like four times too fast, and what a glitch of seven bits does."""
    dte = settled(9600)
    dte._take(dte.auto.received(b"\xc0", None, dte.now))
    dte.wait(apart)
    assert dte.auto.rate == 9600
    dte._take(dte.auto.received(b"\xc0", None, dte.now))
    dte.wait(0.1)
    assert dte.auto.rate == rate


def test_a_trial_that_nobody_uses_ends() -> None:
    dte = settled(9600)
    dte._take(dte.auto.received(b"\xf6\xfe", None, dte.now))
    dte.wait(0.1)
    assert dte.auto.rate == 19200
    dte.wait(TRIAL_S - 0.2)
    assert (dte.auto.rate, dte.auto.good) == (19200, 9600)
    dte.wait(0.2)
    assert dte.auto.rate == 9600
    assert dte.is_read()


@pytest.mark.parametrize("errors", [(1, 1, 1), (3,), (None, None, None)])
def test_enough_that_nothing_explains(errors: tuple[int | None, ...]) -> None:
    auto, now = settled(9600).auto, 1e3
    for count in errors:
        assert auto.rate == 9600
        assert auto.received(b"\x95\xa5\xd3", count, now) == b""
        now += 1
        assert auto.expire(now) == b""
    assert auto.rate > 9600


def test_many_characters_without_a_framing_error_are_no_sign() -> None:
    auto, now = settled(9600).auto, 1e3
    for _ in range(10):
        auto.received(b"\x95\xa5\xd3" * 3, 0, now)
        now += 1
        auto.expire(now)
    assert auto.rate == 9600


def test_the_rest_of_the_burst_that_made_it_go_is_not_judged_again() -> None:
    auto, now = settled(9600).auto, 1e3
    rates = {9600}
    for _ in range(3):
        auto.received(b"\x95\xa5\xd3", 3, now)
    for _ in range(100):
        auto.received(b"\x95\xa5\xd3", 3, now)
        now += 0.02
        auto.expire(now)
        rates.add(auto.rate)
    assert len(rates) == 2


def test_at_a_new_rate_only_the_command_itself_is_passed_on() -> None:
    auto, now = settled(9600).auto, 1e3
    auto.received(b"\xf6\xfe", None, now)
    auto.expire(now + 0.1)
    assert auto.rate == 19200
    assert auto.received(b"\xfeb\rATZ\r", None, now + 1) == b"ATZ\r"
    assert auto.good == 19200


def test_a_prefix_by_chance_does_not_keep_a_wrong_rate() -> None:
    """What "at" at 230400 sounds like at 57600 may be C1 and D4 the next time, A and T with mark parity."""
    dte = Dte(Autobaud(57600), 230400)
    for byte in (0xC1, 0xD4, 0xD9, 0xDD, 0xD4, 0xC1, 0xDD):
        assert dte.auto.rate == 57600
        dte._take(dte.auto.received(bytes([byte]), None, dte.now))
        dte.wait(AGAIN_S)
    assert dte.auto.rate == 230400
    assert dte.is_read()


def test_a_command_typed_with_mark_parity_is_none_of_that() -> None:
    text = bytes(byte | 0x80 for byte in b"AT&C1&D2S0=0X4+FCLASS=0;+IPR=9600\r")
    dte = settled(57600)
    got = b""
    for byte in text:
        got += dte.auto.received(bytes([byte]), None, dte.now)
        got += dte.wait(0.3)
    assert got == text


def test_a_line_that_somebody_else_left_half_typed_is_forgotten() -> None:
    dte = settled(9600)
    assert dte.auto.received(b"ATD", None, dte.now) == b"ATD"
    dte.wait(1)
    dte.auto.dtr_rose(dte.now)
    assert dte.auto.received(b"\x95\xa5\xd3", None, dte.now) == b""  # heard at a wrong rate
    dte.wait(1)
    # What is being sent just now is not cut, for DTR is seen late.
    dte = settled(9600)
    assert dte.auto.received(b"ATD", None, dte.now) == b"ATD"
    dte.auto.dtr_rose(dte.now + 0.01)
    assert dte.auto.received(b"T1\r", None, dte.now + 0.02) == b"T1\r"


def test_a_command_that_came_before_the_rate_was_left_does_not_make_the_new_one_good() -> None:
    """A busy process looks at the clock late."""
    dte = settled(9600)
    dte.auto.received(b"\xf6\xfe", None, dte.now)
    assert dte.auto.received(b"AT\r", None, dte.now + 1) == b""
    assert (dte.auto.rate, dte.auto.good) == (19200, 9600)


# -- fixing and refusing -------------------------------------------------------------------------------------


def test_a_fixed_rate_is_not_left() -> None:
    dte = settled(9600)
    dte.auto.fix(19200, dte.now)
    assert (dte.auto.rate, dte.auto.good) == (19200, 19200)
    assert dte.send(b"AT\r") != b""  # garbage passes: the rate is said to be right
    dte.wait(300)
    dte.auto.dtr_rose(dte.now)
    dte.auto.written(dte.now)
    assert dte.auto.deadline() is None
    assert dte.auto.rate == 19200
    dte.auto.fix(None, dte.now)
    assert dte.try_until_found() <= 3
    assert dte.is_read()


def test_any_rate_can_be_the_first_and_be_left() -> None:
    dte = Dte(Autobaud(31250), 9600)
    assert dte.try_until_found() <= 3
    assert dte.is_read()


def test_a_rate_that_the_port_refuses_is_not_tried_again() -> None:
    auto = Autobaud(9600)
    dte = Dte(auto, 460800)
    dte.rates.clear()
    dte.rates.append(9600)
    for _ in range(30):
        dte.send(b"ATQ0 V1 E1 S0=0\r")
        dte.wait(AGAIN_S)
        if auto.rate == 460800:
            auto.refused(460800, dte.rates[-2], dte.now)
            break
    else:
        pytest.fail("never tried")
    for _ in range(30):
        dte.send(b"ATQ0 V1 E1 S0=0\r")
        dte.wait(AGAIN_S)
        assert auto.rate != 460800
    dte.wait(60)
    dte.rate = 9600
    dte.try_until_found()
    assert dte.is_read()


@pytest.mark.parametrize("form", [EVEN, ODD, Format(7), Format(8, "E"), Format(8, "O"), Format(7, "M")])
@pytest.mark.parametrize(("before", "after"), [(9600, 19200), (9600, 4800), (9600, 38400), (115200, 9600)])
def test_other_framings_of_the_port(before: int, after: int, form: Format) -> None:
    auto = Autobaud(before, frame=Frame(form.bits, form.parity))
    now, attempts = 0.0, 0
    while auto.rate != after:
        attempts += 1
        assert attempts <= 3
        receiver = Receiver(auto.rate, form)
        for character in receiver.receive(transmit(b"AT\r", after, form, at=now)):
            auto.received(bytes([character.value]), None, character.moment)
        now += 1
        auto.expire(now)
    assert auto.received(b"AT\r", None, now + 1) == b"AT\r"


# -- whatever comes ------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["data", "data", "data", "write", "call", "free", "dtr", "fix", "follow", "refused"]),
        st.binary(max_size=90) | st.sampled_from([b"AT\r", b"A", b"at", b"\x00" * 10, b"\xf6\xfe", b"\xff"]),
        st.none() | st.integers(0, 20),
        st.sampled_from([0.0, 0.001, 0.03, 0.05, 1.0, 11.0, 70.0]),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LADDER), STEPS)
def test_nothing_that_happens_is_too_much(
    rate: int, steps: list[tuple[str, bytes, int | None, float]]
) -> None:
    auto, now, given_, fit = Autobaud(rate), 0.0, 0, 0
    for what, data, errors, wait in steps:
        now += wait
        fit += len(auto.expire(now))
        match what:
            case "data":
                given_ += len(data)
                fit += len(auto.received(data, errors, now))
            case "write":
                auto.written(now)
                assert auto.rate == auto.good
            case "call" | "free":
                auto.call_active(what == "call", now)
            case "dtr":
                auto.dtr_rose(now)
            case "fix" | "follow":
                auto.fix(4800 if what == "fix" else None, now)
            case "refused":
                auto.refused(auto.rate, 9600, now)
        due = auto.deadline()
        assert due is None or due >= now
        assert fit <= given_
    auto.fix(None, now)
    auto.call_active(False, now)
    while (due := auto.deadline()) is not None and due < now + 1000:
        auto.expire(due)
    assert auto.rate in (auto.good, LISTENING)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_commands_pass_whole_however_they_are_cut(data: st.DataObject) -> None:
    text = b"".join(
        data.draw(st.lists(st.sampled_from([b"AT\r", b"ATE1V1\r\n", b"A/", b"\r", b"at+ipr?\r"])))
    )
    auto, got, at = Autobaud(9600), bytearray(), 0
    while at < len(text):
        size = data.draw(st.integers(1, 5))
        got += auto.received(text[at : at + size], None, at * 0.001)
        at += size
    assert got == text


# -- the line ------------------------------------------------------------------------------------------------


class Cable:
    """The far end of a pseudo-terminal that stands for a port: what is sent here arrives as a receiver at the
    port's present rate would hear it, and what the port sends is read only at its rate."""

    def __init__(self) -> None:
        self.end, port = os.openpty()
        tty.setraw(port)
        os.set_blocking(self.end, False)
        self.path = os.ttyname(port)
        self.port = port
        self.rate = 9600
        self.rates: list[int] = []
        #: Framing errors so far.
        self.errors = 0

    @property
    def set_to(self) -> int:
        return rate_of(self.end)

    def send(self, text: bytes, form: Format = PLAIN) -> None:
        characters = list(Receiver(self.set_to).receive(transmit(text, self.rate, form)))
        self.errors += sum(each.framing_error for each in characters)
        os.write(self.end, bytes(each.value for each in characters))

    def take(self) -> bytes:
        """What the DTE reads; at another rate nothing of use."""
        try:
            data = os.read(self.end, 65536)
        except BlockingIOError:
            return b""
        return data if self.set_to == self.rate else b"?" * len(data)

    def close(self) -> None:
        os.close(self.end)
        os.close(self.port)


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    yield made
    made.close()


@pytest.fixture
def following_line(
    reactor: Reactor, begin: Callable[[Any], User], cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> User:
    """A line at speed=auto on the cable, whose user echoes; rates are noted as they are set."""
    line = make_line(reactor, f"serial:{cable.path}:speed=auto")
    assert isinstance(line, SerialLine)
    change = type(line._port).change_rate

    def noting(port: Any, rate: int) -> str | None:
        cable.rates.append(rate)
        return change(port, rate)

    monkeypatch.setattr(type(line._port), "change_rate", noting)
    user = begin(line)
    user.on_data = line.write
    return user


def command(reactor: Reactor, cable: Cable, limit: int = 3) -> int:
    """Send AT until it is echoed; returns how often that was."""
    for attempt in range(1, limit + 1):
        cable.send(b"AT\r")
        got = bytearray()
        end = reactor.seconds() + 0.2

        def over(got: bytearray = got, end: float = end) -> bool:
            got += cable.take()
            return got == b"AT\r" or reactor.seconds() > end

        reactor.until(over, tick=0.005)
        assert b"?" not in got
        if got == b"AT\r":
            return attempt
    pytest.fail(f"not found: {cable.rates}")


def test_line_follows(reactor: Reactor, cable: Cable, following_line: User) -> None:
    line = following_line.line
    assert line.rate == cable.set_to == 9600
    for rate, attempts in ((9600, 1), (19200, 2), (115200, 3), (2400, 3), (1200, 2)):
        cable.rate = rate
        assert command(reactor, cable) <= attempts, cable.rates
        assert line.rate == cable.set_to == rate
    assert following_line.data == b"AT\r" * 5  # and no garbage


def test_line_needs_no_waking_up_when_nothing_happens(reactor: Reactor, following_line: User) -> None:
    assert reactor.run_for(0.2) <= 1


def test_answer_goes_out_at_the_rate_of_the_command(
    reactor: Reactor, cable: Cable, following_line: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = following_line.line
    assert command(reactor, cable) == 1
    waiting = 3

    def ioctl(fd: int, request: int, *args: Any) -> Any:
        if request == termios.TIOCOUTQ:
            return struct.pack("i", waiting)
        return real(fd, request, *args)

    real = fcntl.ioctl
    monkeypatch.setattr(following.fcntl, "ioctl", ioctl)
    line.write(b"\r\nOK\r\n")
    assert isinstance(line, SerialLine)
    line.fix_rate(19200)
    reactor.run_for(0.05)
    assert cable.set_to == 9600
    assert cable.take() == b"\r\nOK\r\n"
    waiting = 0
    reactor.until(lambda: cable.set_to == 19200)
    assert line.rate == 19200
    cable.rate = 4800
    before = len(following_line.data)
    for _ in range(4):
        cable.send(b"AT\r")
        reactor.run_for(0.06)
    assert len(following_line.data) > before  # fixed: whatever comes is the modem's
    assert cable.set_to == 19200
    line.fix_rate(None)
    following_line.on_data = line.write
    cable.take()
    assert command(reactor, cable) <= 3


def test_ring_during_a_trial_goes_out_at_the_good_rate(
    reactor: Reactor, cable: Cable, following_line: User
) -> None:
    line = following_line.line
    assert command(reactor, cable) == 1
    reactor.run_for(0.02)
    os.write(cable.end, bytes(10))
    reactor.until(lambda: cable.set_to != 9600)
    assert line.rate == 9600
    line.write(b"RING")
    assert cable.set_to == 9600
    assert cable.take() == b"RING"
    assert command(reactor, cable) == 1


def test_a_call_passes_and_moves_nothing(reactor: Reactor, cable: Cable, following_line: User) -> None:
    line = following_line.line
    following_line.on_data = None
    line.call_active(True)
    block = bytes(range(256)) * 8
    os.write(cable.end, block)
    reactor.until(lambda: following_line.data == block)
    line.write(block)
    reactor.until(lambda: cable.take() == block)
    reactor.run_for(0.1)
    line.call_active(False)
    assert cable.rates == []
    following_line.on_data = line.write
    assert command(reactor, cable) == 1


def test_framing_errors_are_counted_where_the_driver_tells(
    reactor: Reactor, begin: Callable[[Any], User], cable: Cable
) -> None:
    line = SerialLine(reactor, cable.path, speed=None, count_errors=lambda fd: cable.errors)
    user = begin(line)
    user.on_data = line.write
    cable.errors = 40  # of old
    for rate in (9600, 2400):
        cable.rate = rate
        assert command(reactor, cable) <= 3
    cable.errors += 1  # a glitch, without a trace in the data
    assert command(reactor, cable) == 1


def test_errors_from_while_the_rate_was_fixed_do_not_count(
    reactor: Reactor, begin: Callable[[Any], User], cable: Cable
) -> None:
    line = SerialLine(reactor, cable.path, speed=None, count_errors=lambda fd: cable.errors)
    user = begin(line)
    user.on_data = line.write
    cable.errors = 1
    assert command(reactor, cable) == 1
    line.fix_rate(9600)
    cable.errors += 100
    line.fix_rate(None)
    os.write(cable.end, b"hello")
    reactor.until(lambda: user.data.endswith(b"hello"))
    reactor.run_for(0.1)
    assert cable.set_to == 9600


@pytest.mark.parametrize("rate", LADDER)
def test_a_conversation_at_each_rate(reactor: Reactor, cable: Cable, rate: int) -> None:
    """The whole modem: AT is answered at its rate, so are the lines after it, and +IPR keeps the rate."""
    line = make_line(reactor, f"serial:{cable.path}:speed=auto")
    driver = Driver(reactor, "test", line, Modem(), None, lambda _: True, lambda _: None)  # type: ignore[arg-type]
    driver.start()
    cable.rate = rate

    def answer(text: bytes, wanted: bytes) -> bytes:
        cable.send(text)
        got = bytearray()
        end = reactor.seconds() + 0.3

        def over() -> bool:
            got.extend(cable.take())
            return got.endswith(wanted) or reactor.seconds() > end

        reactor.until(over, tick=0.005)
        return bytes(got)

    ok = b"\r\nOK\r\n"
    for _ in range(8):
        answered = answer(b"AT\r", ok)
        assert b"?" not in answered
        if answered:
            break
    assert answered == b"AT\r" + ok
    assert line.rate == cable.set_to == rate
    assert answer(b"ATE0\r", ok) == b"ATE0\r" + ok
    if rate not in (600, 230400, 460800):  # +IPR has no value for these
        assert answer(f"AT+IPR={rate}\r".encode(), ok) == ok
        os.write(cable.end, bytes(20))  # noise
        reactor.run_for(0.1)
        assert cable.set_to == rate
        assert answer(b"\rAT+IPR?\r", ok).endswith(f"+IPR: {rate}\r\n\r\nOK\r\n".encode())
    assert answer(b"AT&F\r", ok).endswith(ok)
    assert answer(b"AT\r", ok) == b"AT\r" + ok
    driver.shut_down()
    reactor.wait_for(line.stop())


def test_a_rate_the_port_refuses(
    reactor: Reactor, cable: Cable, following_line: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(reactor, cable) == 1
    real = termios.tcsetattr

    def refuse(fd: Any, when: int, attributes: list[Any]) -> None:
        if attributes[4] == termios.B19200:
            raise termios.error(22, "Invalid argument")
        real(fd, when, attributes)

    monkeypatch.setattr(termios, "tcsetattr", refuse)
    cable.rate = 19200
    for _ in range(2):
        cable.send(b"AT\r")
        reactor.run_for(0.1)
    assert 19200 in cable.rates
    assert cable.set_to != 19200
    cable.rate = 9600
    assert command(reactor, cable) <= 3


def test_a_port_that_comes_back_is_opened_at_the_good_rate(
    reactor: Reactor, begin: Callable[[Any], User], tmp_path: Path
) -> None:
    first, second = Cable(), Cable()
    path = tmp_path / "ttyUSB0"
    path.symlink_to(first.path)
    line = SerialLine(reactor, str(path), speed=None)
    user = begin(line)
    user.on_data = line.write
    first.rate = 2400
    assert command(reactor, first) <= 3
    os.write(first.end, b"\xf6\xfe")  # twice as fast: a trial begins
    reactor.until(lambda: first.set_to == 4800)
    path.unlink()
    path.symlink_to(second.path)
    first.close()
    reactor.until(lambda: user.events[-2:] == [("found",), ("dtr", True)])
    assert line.rate == second.set_to == 2400
    second.rate = 2400
    assert command(reactor, second) == 1
    reactor.wait_for(line.stop())
    second.close()


def test_counters_of_a_port_without_any() -> None:
    end, port = os.openpty()
    assert following.framing_errors(port) is None
    os.close(end)
    os.close(port)


def test_counters_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [0] * 20
    numbers[6], numbers[8], numbers[9] = 3, 100, 4  # framing, parity, break
    monkeypatch.setattr(following.fcntl, "ioctl", lambda *args: struct.pack("20i", *numbers))
    assert following.framing_errors(0) == 7


def test_speed_in_a_line(reactor: Reactor) -> None:
    line = make_line(reactor, "serial:/dev/ttyS0:speed=auto:bits=7:parity=E")
    assert line.rate == 9600
    with pytest.raises(
        LineError, match=r"speed cannot be 'autp'; .* or auto was expected \(did you mean auto"
    ):
        make_line(reactor, "serial:/dev/ttyS0:speed=autp")
    with pytest.raises(LineError, match="speed=auto needs whole letters; bits=7 or 8"):
        make_line(reactor, "serial:/dev/ttyS0:speed=auto:bits=5")
    with pytest.raises(LineError, match="speed cannot be 'auto'"):
        make_line(reactor, "remote:example:2000:speed=auto")
