"""Lines of a known_hosts file, as sshd(8) describes them: whose host key is which.

Names stand plain, as patterns (``*``, ``?``, ``!`` for "but not"), or hashed; ``[host]:port`` is a server
that is not on port 22.  What does not belong here: files, and what a key is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

#: The port whose number is not part of a name.
SSH_PORT: Final = 22
#: Longest line that is looked at, in bytes; the longest sensible key takes a quarter of it.
LINE_LIMIT: Final = 16384

_HASHED: Final = "|1|"


@dataclass(frozen=True)
class KnownKey:
    """A key that a file gives for a host."""

    #: Of the key: "ssh-ed25519", "ssh-rsa" ...
    kind: str
    #: The public key as the protocol carries it (RFC 4253 clause 6.6).
    blob: bytes
    #: In the file, from 1.
    line: int
    #: The key is known not to be trusted.
    revoked: bool = False


def host_name(host: str, port: int) -> str:
    """The name a server goes by in the file."""
    return host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"


def find(lines: Iterable[bytes], name: str) -> Iterator[KnownKey]:
    """The keys for ``name`` (see :func:`host_name`).  Lines that cannot be read, and keys that sign others'
    (``@cert-authority``), are passed over."""
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LIMIT:
            continue
        words = line.decode("utf-8", "replace").split(None, 4)
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        if not _matches(words[0], name):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield KnownKey(words[1], blob, number, revoked=bool(marker))


def _matches(names: str, name: str) -> bool:
    if names.startswith(_HASHED):
        return _hash_matches(names[len(_HASHED) :], name)
    found = False
    for pattern in names.lower().split(","):
        unwanted = pattern.startswith("!")
        if _pattern(pattern[1:] if unwanted else pattern).fullmatch(name):
            if unwanted:
                return False
            found = True
    return found


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text), re.DOTALL)


def _hash_matches(hashed: str, name: str) -> bool:
    salt, _, wanted = hashed.partition("|")
    try:
        key, digest = base64.b64decode(salt, validate=True), base64.b64decode(wanted, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), digest)
