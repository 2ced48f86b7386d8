"""The dial string of ATD: what the DTE typed, taken apart.

``D`` eats the rest of its command line (ITU-T V.250 clause 6.3.1).  What stands there is a telephone number
with modifiers, a stored number, a name or, as every modem on a network understands it, an address.  This
module says which of them a text is; it never looks anything up: the same text always gives the same answer.

What does not belong here: the directory, the resolver, and what a call does with an address.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace
from typing import Final

#: Longest dial string that is looked at, in characters; a longer one is no number and no address.
LIMIT: Final = 1024
#: Schemes that may stand before an address.
SCHEMES: Final = ("tcp", "raw", "telnet", "tls", "ssh", "rfc2217", "unix")

#: Characters that are part of a number (V.250 clause 6.3.1: digits, A-D, * and #).
_DIGITS: Final = frozenset("0123456789ABCD*#")
#: Modifiers, pauses and punctuation: dropped from a number (V.250 clause 6.3.2 ff., and what people type).
_DROPPED: Final = frozenset("TPWRIG,@!;/^&$>()-+. \t")
#: A number begins so; a host name such as c3 or pc-1 does not, although its characters could all be dialled.
_NUMBER_START: Final = re.compile(r"[-\s,@!/^&$>()+.Ww]*[0-9*#]")
_STORED: Final = re.compile(r"[Ss]\s*=?\s*([0-9]{0,9})")
_SCHEME: Final = re.compile(rf"({'|'.join(SCHEMES)}):(.*)", re.IGNORECASE | re.DOTALL)
#: T or P as the first letter of a scheme, told from a tone dial of "cp:23" by what follows the colon.
_SCHEME_NOT_TONE: Final = re.compile(r"(?:tcp|tls|telnet):\s*(?![0-9\s]*$)", re.IGNORECASE)
_PREFIXES: Final = {"-": "raw", "=": "telnet", "+": "telnet"}
_PORT: Final = r"(?:\s*[:,/\s]\s*([0-9]{1,5}))?"
_QUAD: Final = re.compile(r"([0-9]{1,3})" + r"[.*]([0-9]{1,3})" * 3 + _PORT.replace(":,", ":#,"))
_BRACKETS: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})(%[0-9A-Za-z_.-]{1,15})?\]" + _PORT)
_NAMED: Final = re.compile(r"([0-9A-Za-z_][0-9A-Za-z_.-]{0,252})(?:\s*([:,/\s])\s*([0-9]{1,5}))?")
_USER: Final = re.compile(r"([0-9A-Za-z_.][0-9A-Za-z_.-]{0,63})@(.*)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """Where a dial string points to when it spells the place out itself."""

    #: What was typed before the address, in lower case; "" when nothing was.
    scheme: str
    #: A name, or an address literal in any spelling that inet_aton and inet_pton know; for ``unix`` a path.
    host: str
    #: TCP port 1-65535; None when none was typed.
    port: int | None = None
    #: The account before ``@``, with ``ssh:`` only.
    user: str = ""
    #: False after the prefix ``+``: telnet that sends a bare CR.
    cr_nul: bool = True


@dataclass(frozen=True)
class DialString:
    """Everything after the letter D of an ATD line.  ``parse_dial`` makes it."""

    #: What was typed, without one leading T or P, the blanks around, quotes and a final ``;``.
    raw: str = ""
    #: Ended by ``;``: stay in command state, more parts may follow.
    more: bool = False
    #: Was quoted: nothing was stripped.
    literal: bool = False
    #: The stored number meant (``S=n``, ``Sn``); any size, the reader checks the range.
    stored: int | None = None
    #: ``L``: dial the last number again.
    last: bool = False
    #: ``@`` is present: "no answer" is reported as NO ANSWER (V.250 clause 6.3.2.5, "wait for quiet answer").
    wait_silence: bool = False
    #: The normalised number: 0-9 A-D * # in upper case; "" when the text is no number.
    number: str = ""
    #: A place that the modem's owner set up for one purpose, ``cable`` or ``leased``.  Nothing typed has one.
    place: str = ""

    def address(self) -> Address | None:
        """The address that was spelled out, or None when the text is none.

        Digits alone are an address only in the numeric forms (12 digits, 13 to 17 digits with the port, ``*``
        as dot and ``#`` as colon); otherwise they are a telephone number, and no resolver may ever be asked
        for it.  Never raises.
        """
        if not self.raw or len(self.raw) > LIMIT or self.stored is not None or self.last or self.place:
            return None
        text = self.raw.strip()
        found = _SCHEME.fullmatch(text)
        if found is not None:
            return _with_scheme(found[1].lower(), found[2].strip())
        if not self.literal:
            text = text.replace("@", "").strip(" \t,!^&$>")
        prefix = text[:1]
        if prefix in _PREFIXES:
            address = _plain(text[1:].strip())
            if address is None:
                return None
            return replace(address, scheme=_PREFIXES[prefix], cr_nul=prefix != "+")
        return _plain(text)


def parse_dial(text: str) -> DialString:
    """Take apart what follows the letter D.  Accepts any text at all and never raises.

    One leading T or P (tone, pulse; any case) is stripped, so ``ATDtest.example`` dials "est.example": write
    ``ATDTtest.example`` or quotes.  The schemes tcp:, tls: and telnet: keep their T.
    """
    rest = text.strip()
    if len(rest) > LIMIT:
        return _made(rest, more=rest.endswith(";"), literal=False)
    more = rest.endswith(";")
    if more:
        rest = rest[:-1].rstrip()
    if rest in ("L", "l"):
        return DialString(raw=rest, more=more, last=True)
    stored = _STORED.fullmatch(rest)
    if stored is not None:
        return DialString(raw=rest, more=more, stored=int(stored[1] or "0"))
    if rest[:1] in ("T", "t", "P", "p") and _SCHEME_NOT_TONE.match(rest) is None:
        rest = rest[1:].lstrip()
    if rest.startswith('"'):
        quoted, _, _ = rest[1:].partition('"')
        return _made(quoted, more=more, literal=True)
    return _made(rest, more=more, literal=False)


def joined(a: DialString, b: DialString) -> DialString:
    """The dial string of two parts, as ``ATD5551;`` and then ``ATD234`` dial 5551234 (V.250 clause 6.3.1).

    A stored or last number is not a part but a number of its own: ``b`` alone is returned then.
    """
    if b.stored is not None or b.last or not a.raw:
        return b
    if a.stored is not None or a.last:
        return b if b.raw else replace(a, more=b.more)
    whole = _made(a.raw + b.raw, more=b.more, literal=a.literal or b.literal)
    return replace(whole, wait_silence=a.wait_silence or b.wait_silence)


def normalise(text: str) -> str:
    """The number in ``text`` without modifiers and punctuation, or "" when the text is no number.

    Upper case; 0-9 A-D * # only.  A text with any other character, or without a single digit, is no number.
    """
    upper = text.upper()
    if len(upper) > LIMIT:
        return ""
    kept = []
    for char in upper:
        if char in _DIGITS:
            kept.append(char)
        elif char not in _DROPPED:
            return ""
    number = "".join(kept)
    return number if number.strip("ABCD") else ""


def _made(raw: str, *, more: bool, literal: bool) -> DialString:
    if len(raw) > LIMIT:
        # One character past the limit is kept: enough for a log, and the mark that it was too long.
        return DialString(raw=raw[: LIMIT + 1], more=more, literal=literal)
    if literal:
        return DialString(raw=raw, more=more, literal=True)
    silence = "@" in raw and raw[:4].lower() != "ssh:"
    return DialString(raw=raw, more=more, wait_silence=silence, number=normalise(raw))


def _with_scheme(scheme: str, rest: str) -> Address | None:
    if scheme == "unix":
        return Address(scheme, rest) if rest and "\0" not in rest else None
    user = ""
    if scheme == "ssh":
        found = _USER.fullmatch(rest)
        if found is not None:
            user, rest = found[1], found[2].strip()
    else:
        rest = rest.replace("@", "")
    address = _plain(rest)
    return None if address is None else replace(address, scheme=scheme, user=user)


def _plain(text: str) -> Address | None:
    """An address without scheme: a literal, a numeric form, or a name with or without a port."""
    found = _BRACKETS.fullmatch(text)
    if found is not None:
        return _address(found[1] + (found[2] or ""), found[3]) if _is_ipv6(found[1]) else None
    if text.count(":") > 1:
        return Address("", text) if len(text) <= 45 and _is_ipv6(text) else None
    found = _QUAD.fullmatch(text)
    if found is not None:
        return _quad(found.groups()[:4], found[5])
    number = normalise(text)
    if number and _NUMBER_START.match(text) is not None:
        return _numeric(number)
    found = _NAMED.fullmatch(text)
    if found is None:
        return None
    host, separator, port = found.groups()
    if host.replace(".", "").isdigit():
        # 127.1:23 and 2130706433:23 are spellings of an address; with no port, or a pause, they are digits.
        if separator != ":" or not _is_ipv4(host):
            return None
    elif host.endswith("-") or ".." in host:
        return None
    return _address(host, port)


def _numeric(number: str) -> Address | None:
    """The forms for those who have digits only: keypads, games, controllers."""
    found = _QUAD.fullmatch(number)
    if found is not None:
        return _quad(found.groups()[:4], found[5])
    if not (12 <= len(number) <= 17 and number.isdigit()):
        return None
    return _quad((number[0:3], number[3:6], number[6:9], number[9:12]), number[12:] or None)


def _quad(groups: tuple[str | None, ...], port: str | None) -> Address | None:
    values = [int(group or "0") for group in groups]
    if max(values) > 255:
        return None
    return _address(".".join(map(str, values)), port)


def _address(host: str, port: str | None) -> Address | None:
    if port is None:
        return Address("", host)
    value = int(port)
    return Address("", host, value) if 1 <= value <= 65535 else None


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


def _is_ipv4(text: str) -> bool:
    try:
        socket.inet_aton(text)
    except (OSError, ValueError):
        return False
    return True
