"""Cables of UPSes that tell their state on the circuits of a serial port: which circuit means what, as data.

``+X`` is true while X is asserted (a positive voltage), ``-X`` while it is not.  CP powers the cable, SD has
the UPS switch off; both name the outputs that are asserted, and every other one is dropped.  Public sources
disagree about some rows, so every field can be overridden.

What does not belong here: reading and driving.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from vmodem.port.base import OUTPUTS, Signals
from vmodem.port.parse import parse_port
from vmodem.tty.linespec import whole

#: How long SD is held, in seconds: some UPSes want that.  And the most: what is known of the UPS is not read
#: meanwhile, and must not be old.
HOLD_S: Final = 10.0
BREAK_S: Final = 5.0
HOLD_LIMIT_S: Final = 60.0
#: Pauses before a port is opened again whose opening is the kill line, in seconds.
RETRY: Final = "10,30,60"

#: Number, maker, model or cable, CP, OL, LB, SD, and where there are such RB and BYPASS.
TABLE: Final = """
0   | UPSonic       | LAN Saver 600                            | DTR+RTS | -CTS | +DCD | RTS
1   | APC           | Back-UPS with 940-0095A/C                | DTR     | -RI  | +DCD | RTS
2   | APC           | Back-UPS with 940-0020B/C                | RTS     | -CTS | +DCD | DTR+RTS
3   | PowerTech     | Comp1000                                 | DTR     | -CTS | +DCD | DTR+RTS
4   | Generic       | RUPS                                     | RTS     | +CTS | -DCD | none
5   | Tripp Lite    | Lan2.2 with 73-0844                      | DTR     | +CTS | -DCD | DTR+RTS
6   | Best          | Patriot with INT51                       | DTR     | +CTS | -DCD | RTS
7   | CyberPower    | Power99                                  | RTS     | +CTS | -DCD | DTR
8   | Nitram        | Elite 500                                | DTR     | +CTS | -DCD | ?
9   | APC           | Back-UPS with 940-0023A                  | none    | -DCD | +CTS | RTS
10  | Victron       | Lite                                     | RTS     | +CTS | -DCD | DTR
11  | Powerware     | 3115                                     | DTR     | -CTS | -DCD | BREAK
12  | APC           | Back-UPS Office with 940-0119A           | RTS     | -CTS | +DCD | DTR
13  | Repotec       | RPT-800A / 162A                          | DTR+RTS | +DCD | -CTS | BREAK
14  | Online        | P series                                 | DTR     | +DCD | -CTS | RTS
15  | Powerware     | 5119 / 5125                              | DTR     | +CTS | -DCD | BREAK
16  | Nitram        | Elite 2002                               | DTR+RTS | +CTS | -DCD | ?
17  | PowerKinetics | 9001                                     | DTR     | +CTS | -DCD | ?
18  | Tripp Lite    | Omni 450LAN (Martin's cable)             | DTR     | +CTS | +DCD | ?
19  | Fideltronik   | Ares                                     | DTR     | +CTS | -DCD | RTS
20  | Powerware     | 5119 RM                                  | DTR     | -CTS | +DCD | BREAK
21  | Generic       | RUPS 2000 (Megatec M2501 cable)          | RTS     | +CTS | -DCD | DTR+RTS
22  | Gamatronic    | alarm interface (also CyberPower SL)     | RTS     | +CTS | -DCD | DTR
23  | Generic       | FTTx battery backup                      | RTS     | +CTS | -DCD | none    | -RI | -DSR
"""

#: What can be overridden.
KEYS: Final = ("cp", "ol", "ob", "lb", "rb", "bypass", "sd", "hold", "mfr", "model", "serial")

_TEST: Final = re.compile(r"([+-])\s*(cts|dsr|dcd|ri)")
_NOTHING: Final = ("", "none", "null")
_UNKNOWN: Final = ("?", "unknown")
_CIRCUITS: Final = {str(each.name).lower(): each for each in Signals if each.value}
_OUTPUTS: Final = {"dtr": Signals.DTR, "rts": Signals.RTS}


@dataclass(frozen=True)
class Pin:
    """What a circuit has to be for something to be so."""

    circuit: Signals
    asserted: bool

    def holds(self, signals: Signals) -> bool:
        """Whether it is, with all circuits as they are."""
        return bool(signals & self.circuit) is self.asserted


@dataclass(frozen=True)
class Kill:
    """How the UPS is told to switch off: outputs asserted (the others dropped), or a break."""

    on: Signals
    by_break: bool
    #: How long, in seconds.
    hold_s: float


@dataclass(frozen=True)
class Cable:
    """One row.  ``kill`` is None where it is not known how."""

    number: int
    maker: str
    model: str
    serial: str
    power: Signals
    online: Pin
    low: Pin
    replace_battery: Pin | None
    bypass: Pin | None
    kill: Kill | None

    @property
    def inputs(self) -> Signals:
        """The circuits that are read."""
        tests = (self.online, self.low, self.replace_battery, self.bypass)
        found = Signals.NONE
        for test in tests:
            if test is not None:
                found |= test.circuit
        return found

    @property
    def killed_by_opening(self) -> bool:
        """Whether opening the port, which raises both outputs for an instant, is the kill line."""
        return self.kill is not None and self.kill.on == OUTPUTS


def cable(number: int, override: Mapping[str, str] | None = None) -> Cable:
    """A row of the table, with changes.  Raises ValueError for a row there is not, or a change that means
    nothing."""
    rows = _rows()
    if number not in rows:
        raise ValueError(f"there is no cable {number}; 0 to {max(rows)} were expected")
    maker, model, power, online, low, kill, *more = rows[number]
    found = Cable(
        number,
        maker,
        model,
        "",
        _outputs("cp", power),
        _test("ol", online),
        _test("lb", low),
        _test("rb", more[0]) if more else None,
        _test("bypass", more[1]) if more else None,
        _kill(kill),
    )
    given = {key.strip().lower(): text.strip() for key, text in (override or {}).items()}
    if "ol" in given and "ob" in given:
        raise ValueError("ol and ob say the same thing twice; leave one out")
    for key, text in given.items():
        found = _changed(found, key, text)
    # Last, for it belongs to whatever SD is by now.
    if "hold" in given and found.kill is not None:
        found = replace(found, kill=replace(found.kill, hold_s=_seconds(given["hold"])))
    return found


def line_for(line: str, wanted: Cable) -> str:
    """The LINE as it has to be for this cable: on a port of this machine the outputs are as the cable wants
    them from the opening on, and stay when the port is closed, for on many cables a change switches the UPS
    off.  Where opening alone is the kill line, it is done rarely.  What the LINE says itself is left as it
    is.  Raises :class:`vmodem.port.base.PortError` for what is no LINE."""
    parsed = parse_port(line)
    more: dict[str, str] = {}
    if parsed.kind == "serial":
        more = {name: "on" if circuit & wanted.power else "off" for name, circuit in _OUTPUTS.items()}
        more["hupcl"] = "no"
    if wanted.killed_by_opening and parsed.kind in ("serial", "remote", "rfc2217"):
        more["retry"] = RETRY
    found = [f"{key}={text}" for key, text in more.items() if key not in parsed.values]
    return ":".join([whole(line).removesuffix(":"), *found]) if found else line


def _rows() -> dict[int, list[str]]:
    rows: dict[int, list[str]] = {}
    for line in TABLE.strip().splitlines():
        number, *fields = (field.strip() for field in line.split("|"))
        rows[int(number)] = fields
    return rows


def _changed(cable: Cable, key: str, text: str) -> Cable:
    if key == "cp":
        return replace(cable, power=_outputs(key, text))
    if key == "ol":
        return replace(cable, online=_test(key, text))
    if key == "ob":
        test = _test(key, text)
        return replace(cable, online=Pin(test.circuit, not test.asserted))
    if key == "lb":
        return replace(cable, low=_test(key, text))
    if key == "rb":
        return replace(cable, replace_battery=None if text.lower() in _NOTHING else _test(key, text))
    if key == "bypass":
        return replace(cable, bypass=None if text.lower() in _NOTHING else _test(key, text))
    if key == "sd":
        return replace(cable, kill=_kill(text))
    if key == "hold":
        _seconds(text)
        return cable
    if key == "mfr":
        return replace(cable, maker=text)
    if key == "model":
        return replace(cable, model=text)
    if key == "serial":
        return replace(cable, serial=text)
    near = get_close_matches(key, KEYS, 1)
    hint = f"did you mean {near[0]}" if near else "one of " + ", ".join(KEYS)
    raise ValueError(f'a cable has no "{key}"; {hint}')


def _test(key: str, text: str) -> Pin:
    match = _TEST.fullmatch(text.lower())
    if match is None:
        raise ValueError(f'{key}: "{text}" is no state of an input; + or - and cts, dsr, dcd or ri, as -cts')
    return Pin(_CIRCUITS[match[2]], match[1] == "+")


def _outputs(key: str, text: str) -> Signals:
    found = Signals.NONE
    if text.lower() in _NOTHING:
        return found
    for word in text.lower().split("+"):
        circuit = _CIRCUITS.get(word.strip())
        if circuit is None or circuit not in OUTPUTS:
            raise ValueError(f'{key}: "{text}" is no set of outputs; dtr, rts, dtr+rts or none was expected')
        found |= circuit
    return found


def _kill(text: str) -> Kill | None:
    if text.lower() in _UNKNOWN:
        return None
    if text.lower() == "break":
        return Kill(Signals.NONE, True, BREAK_S)
    return Kill(_outputs("sd", text), False, HOLD_S)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= HOLD_LIMIT_S:
        raise ValueError(f'hold: "{text}" is no time; more than 0 and up to {HOLD_LIMIT_S:g} seconds')
    return seconds
