"""The extended commands as rows: + of V.250 and its family, # and - of the makers.

A row names the parameters with what each accepts and its factory value; set, read and test forms follow from
it.  Most have nothing to act on when the line is a network connection; those are accepted, checked, kept and
shown, and their help says so.  What the others do is in :mod:`atparser.profile` (settings that are two
commands' at once), :mod:`atparser.results` and :mod:`atparser.engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .parameters import Number, Parameter, Text, Value, Word

_KEPT_ONLY: Final = "kept only"


@dataclass(frozen=True)
class Extended:
    """An extended command (V.250 clause 5.4): set, read and test forms, or an action that gives a text."""

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    #: Read and test answers carry no ``+NAME: `` in front.
    bare: bool = False
    #: An action: no parameters, ``+NAME`` alone gives information text.
    action: bool = False
    #: Forms beyond the bare action that give the same text (``+FMI?``).
    read_action: bool = False
    #: Another name of this command: the settings are that one's.
    same_as: str = ""
    #: The answer to the test form where the parameters do not say it all.
    test: str = ""
    #: Parameters that are left empty at the end of the list are not shown.
    open_end: bool = False
    #: Neither read nor test: whoever asks whether this is a voice modem must hear that it is none.
    set_only: bool = False
    #: The engine keeps no such setting: what it does is the interpreter's.
    acts: bool = False
    #: Named by +GCAP.
    capability: bool = False


#: Modulations by name, with the highest rate of each in bit/s (V.250 clause 6.4.1).
CARRIERS: Final[Mapping[str, int]] = {
    "V21": 300,
    "V22": 1200,
    "V22B": 2400,
    "V23C": 1200,
    "V32": 9600,
    "V32B": 14400,
    "V34": 33600,
    "V90": 56000,
    "V92": 56000,
}
#: The numbers that chips of the nineties have for them.
_CARRIER_NUMBERS: Final = {
    0: "V21",
    1: "V22",
    2: "V22B",
    3: "V23C",
    9: "V32",
    10: "V32B",
    11: "V34",
    12: "V90",
}
#: Rates +IPR fixes, in bit/s, as +IPR=? tells them: programs take one out of this list.
_RATES: Final = (300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
#: Others on which a DTE may be found, and then fixed.
_MORE_RATES: Final = (600, 230400, 460800)

_FLAG: Final = Number((0, 1))
_LEVEL: Final = Number(((0, 2),))
_CARRIER: Final = Word(tuple(CARRIERS), "V34", _CARRIER_NUMBERS)
_ANY_CARRIER: Final = Word(tuple(CARRIERS), "", _CARRIER_NUMBERS)
_LINE: Final = Number((0, (300, 33600)))
_OCTETS: Final = Text(64, pattern="[0-9A-Fa-f]*", plain=True)


def _asked(name: str, what: str) -> Extended:
    """A name a program asks for, with or without a question mark."""
    return Extended(name, what, action=True, read_action=True)


EXTENDED: Final[tuple[Extended, ...]] = (
    # Identification, V.250 clause 6.1.
    Extended("+GMI", "manufacturer", action=True),
    Extended("+GMM", "model", action=True),
    Extended("+GMR", "revision", action=True),
    Extended("+GSN", "serial number", action=True),
    Extended("+GOI", "object identifier", action=True),
    Extended("+GCAP", "additional capabilities", action=True),
    Extended("+GCI", "country code of T.35; " + _KEPT_ONLY, (Number(((0, 0xFF),), 0xB5, hexadecimal=True),)),
    Extended(
        "+FCLASS", "service class: 0 is data, the only one", (Number((0,)),), bare=True, capability=True
    ),
    # The interface to the DTE, V.250 clause 6.2.
    Extended(
        "+IPR",
        "DTE rate in bit/s: 0 as it is found, else fixed from the next line on",
        (Number((0, *_RATES, *_MORE_RATES)),),
        test="(),(" + ",".join(map(str, (0, *_RATES))) + ")",
    ),
    Extended(
        "+ICF",
        "framing and parity from the next line on: 0 as found, 1 8N2, 2 8P1, 3 8N1, 4 7N2, 5 7P1, 6 7N1; "
        "0 odd, 1 even, 2 mark, 3 space",
        (Number(((0, 6),), 3), Number(((0, 3),), 3)),
    ),
    Extended(
        "+IFC",
        "flow control by the DTE and by the modem: 0 none, 1 XON/XOFF, 2 circuits; sets &K",
        (Number(((0, 3),), 2), Number(((0, 2),), 2)),
    ),
    Extended("+ILRR", "report the DTE rate before the result of a call: 1 on", (_FLAG,)),
    Extended("+ICLOK", "clock source; " + _KEPT_ONLY, (_LEVEL,)),
    Extended("+IDSR", "DSR: 0 always on, 1 on during a call; the same as &S", (_LEVEL,)),
    Extended("+IRTS", "what circuit 105 means online; " + _KEPT_ONLY, (_FLAG,)),
    Extended("+ILSD", "long space disconnect; " + _KEPT_ONLY, (_FLAG,)),
    # Modulation, V.250 clause 6.4.
    Extended(
        "+MS",
        "modulation, automode, lowest and highest rate each way: the line is said to run no faster",
        (_CARRIER, Number((0, 1), 1), _LINE, _LINE, _LINE, _LINE),
        capability=True,
    ),
    Extended(
        "+MR", "report the modulation and the line rate before the result: 1 on, 2 both ways", (_LEVEL,)
    ),
    Extended(
        "+MA", "modulations to fall back to; " + _KEPT_ONLY, (_ANY_CARRIER,) * len(CARRIERS), open_end=True
    ),
    Extended("+MSC", "seamless rate change; " + _KEPT_ONLY, (_FLAG,)),
    Extended(
        "+MV18S",
        "text telephone selection; " + _KEPT_ONLY,
        (Number(((0, 8),)), Number(((0, 5),)), _FLAG, _FLAG, _FLAG),
    ),
    Extended("+MV18R", "text telephone report; " + _KEPT_ONLY, (_FLAG,)),
    # Error control, V.250 clause 6.5.
    Extended(
        "+ES",
        "error control: 0 and 1 none, else shown as LAPM; fallbacks; answering",
        (Number(((0, 7),), 3), Number(((0, 4),)), Number(((0, 9),), 2)),
        capability=True,
    ),
    Extended(
        "+EB",
        "break: 0 ignored, 1 in sequence, 2 at once, 3 at once and data discarded; timed; length in 10 ms; "
        "1 to 3 set \\K",
        (Number(((0, 3),), 1), _FLAG, Number(((0, 254),), 30)),
    ),
    Extended("+ER", "report error control before the result of a call: 1 on", (_FLAG,)),
    Extended("+EFCS", "length of the check sequence; " + _KEPT_ONLY, (_LEVEL,)),
    Extended(
        "+ETBM",
        "what is pending at a hang-up, to the far end and to the DTE: 0 discard, 1 deliver, 2 deliver within "
        "so many seconds; sets S38",
        (Number(((0, 2),), 2), Number(((0, 2),), 1), Number(((0, 254),), 20)),
    ),
    Extended("+EWIND", "window size; " + _KEPT_ONLY, (Number(((1, 127),), 15), Number(((1, 127),), 15))),
    Extended(
        "+EFRAM", "frame length; " + _KEPT_ONLY, (Number(((1, 65535),), 128), Number(((1, 65535),), 128))
    ),
    Extended("+ESR", "selective repeat; " + _KEPT_ONLY, (_LEVEL,)),
    Extended(
        "+ESA",
        "synchronous access; " + _KEPT_ONLY,
        (_LEVEL, _FLAG, _FLAG, _FLAG, _LEVEL, _FLAG, Number(((0, 255),), 255), Number(((0, 255),))),
    ),
    # Compression, V.250 clause 6.6.
    Extended(
        "+DS",
        "data compression; " + _KEPT_ONLY,
        (Number(((0, 3),), 3), _FLAG, Number(((512, 65535),), 2048), Number(((6, 250),), 32)),
        capability=True,
    ),
    Extended("+DR", "report data compression before the result of a call: 1 on", (_FLAG,)),
    # Negotiation (V.250 clause 6.4, V.8), stored numbers.
    Extended(
        "+A8E",
        "V.8 negotiation; " + _KEPT_ONLY,
        (Number(((1, 6),), 1), Number(((1, 5),), 1), _OCTETS, _OCTETS, _OCTETS, _OCTETS),
    ),
    Extended(
        "+ASTO",
        "store a number: place, number in quotes; the same as &Z",
        (Number(((0, 19),)), Text(255)),
        acts=True,
    ),
    # V.92.
    Extended("+PCW", "call waiting; " + _KEPT_ONLY, (_LEVEL,)),
    Extended("+PMH", "modem on hold; " + _KEPT_ONLY, (_FLAG,)),
    Extended("+PIG", "PCM upstream; " + _KEPT_ONLY, (_FLAG,)),
    Extended("+PQC", "quick start; " + _KEPT_ONLY, (Number(((0, 3),)),)),
    Extended("+PSS", "short start-up sequence; " + _KEPT_ONLY, (_LEVEL,)),
    # What fax and telephone programs ask.
    Extended(
        "#CLS", "service class, as +FCLASS", (Number((0,)),), bare=True, same_as="+FCLASS", set_only=True
    ),
    _asked("+FMI", "manufacturer, as fax programs ask"),
    _asked("+FMM", "model, as fax programs ask"),
    _asked("+FMR", "revision, as fax programs ask"),
    _asked("+FMFR", "manufacturer, as older fax programs ask"),
    _asked("+FMDL", "model, as older fax programs ask"),
    _asked("+FREV", "revision, as older fax programs ask"),
    _asked("#MFR", "manufacturer, as answering machines ask"),
    _asked("#MDL", "model, as answering machines ask"),
    _asked("#REV", "revision, as answering machines ask"),
    Extended("+VCID", "caller identification: 0 off, 1 as lines, 2 as it would come (MESG)", (_LEVEL,)),
    Extended("#CID", "caller identification, as +VCID", (Number((0, 1, 2)),), bare=True, same_as="+VCID"),
    Extended("+VRID", "the present caller's identification once more", action=True),
    Extended(
        "+VDR",
        "cadence of each burst reported as DRON and DROF in 0.1 s: 1 on; delay, kept only",
        (_FLAG, Number(((0, 255),))),
    ),
    Extended("-SDR", "distinctive cadences; " + _KEPT_ONLY, (Number(((0, 7),)),)),
)

EXTENDEDS: Final[Mapping[str, Extended]] = {row.name: row for row in EXTENDED}
#: What is kept of them, at factory values.
FACTORY: Final[Mapping[str, tuple[Value, ...]]] = {
    row.name: tuple(parameter.default for parameter in row.parameters)
    for row in EXTENDED
    if row.parameters and not row.same_as and not row.acts
}


def shown(row: Extended, values: tuple[Value, ...]) -> str:
    """The values as the read form has them."""
    texts = [parameter.written(value) for parameter, value in zip(row.parameters, values, strict=True)]
    while row.open_end and texts and not texts[-1]:
        texts.pop()
    return ",".join(texts)


def accepted(row: Extended) -> str:
    """What the parameters accept, as the test form has it."""
    text = row.test or ",".join(parameter.shown() for parameter in row.parameters)
    return text.strip("()") if row.bare and len(row.parameters) == 1 else text
