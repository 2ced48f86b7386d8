"""Names in certificates, and what goes wrong with TLS in words for people.

Certificates are taken as :meth:`ssl.SSLObject.getpeercert` gives them, and only after OpenSSL has verified
the chain they end: a name in any other means nothing.  The name is matched here, not by OpenSSL, because
OpenSSL keeps to itself which names a refused certificate has.

What does not belong here: deciding whether a failure ends a call.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from typing import Any, Final

#: So many names of a certificate are told, each cut to so many characters.
NAMES_TOLD: Final = 5
NAME_SIZE: Final = 64

Certificate = Mapping[str, Any]


def wire_name(name: str) -> str:
    """``name`` as it stands in certificates: an IP address without brackets and zone, or a host name in
    ASCII (RFC 5890) and small letters, without the dot at its end.  Raises ValueError when it is neither."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        pass
    found = name.removesuffix(".").encode("idna").decode("ascii").lower()
    if (
        not found
        or found.startswith(".")
        or not found.replace(".", "").replace("-", "").replace("_", "").isalnum()
    ):
        raise ValueError(f"{name!r} is neither a host name nor an IP address")
    return found


def matches(name: str, certificate: Certificate) -> bool:
    """Whether ``certificate`` is for ``name`` (of :func:`wire_name`), by RFC 9525 clause 6.

    Only subjectAltName counts; ``*`` stands for exactly one label, the leftmost, with two or more after it.
    """
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return any(_host_matches(name, each) for each in _alternatives(certificate, "DNS"))
    return any(_same_address(address, each) for each in _alternatives(certificate, "IP Address"))


def _alternatives(certificate: Certificate, kind: str) -> list[str]:
    return [value for key, value in certificate.get("subjectAltName", ()) if key == kind]


def _host_matches(name: str, pattern: str) -> bool:
    pattern = pattern.lower()
    if not pattern.startswith("*."):
        return name == pattern
    rest = pattern[2:]
    return "." in rest and "*" not in rest and name.partition(".")[2] == rest


def _same_address(address: object, text: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip()) == address
    except ValueError:
        return False


def common_name(certificate: Certificate) -> str:
    """The first common name of the subject; "" without one."""
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return ""


def subject_name(certificate: Certificate) -> str:
    """What the holder of ``certificate`` is called: the common name, else the first alternative one."""
    found = common_name(certificate)
    if not found:
        found = next((str(value) for _, value in certificate.get("subjectAltName", ()) if value), "")
    return found


def wrong_name(name: str, certificate: Certificate) -> str:
    """Why ``certificate`` is not for ``name``, for people."""
    names = [*_alternatives(certificate, "DNS"), *_alternatives(certificate, "IP Address")]
    told = ", ".join(each.strip()[:NAME_SIZE] for each in names[:NAMES_TOLD])
    if len(names) > NAMES_TOLD:
        told += f" and {len(names) - NAMES_TOLD} more"
    if told:
        return f"the certificate is for {told}, not for {name}"
    common = common_name(certificate)[:NAME_SIZE]
    named = f"; its common name, {common}, does not count" if common else ""
    return f"the certificate is not for {name}: it has no subjectAltName with a host name or address{named}"


# Numbers are X509_V_ERR_..., from OpenSSL's x509_vfy.h.
_UNKNOWN_AUTHORITY: Final = frozenset((2, 19, 20, 21))
_SELF_SIGNED: Final = 18
_UNVERIFIED: Final = {
    9: "is not valid yet; compare the clocks of both machines",
    10: "has expired",
    23: "has been revoked",
    26: "is not made for this purpose (extendedKeyUsage)",
    66: "has a key that is too short",
    67: "leads to an authority whose key is too short",
    68: "is signed with a digest that is too weak",
}

# By the words after "ALERT_" in OpenSSL's names; alerts are listed in RFC 8446 clause 6.
_ALERTS: Final = {
    "HANDSHAKE_FAILURE": "it accepts none of our ciphers, or misses a certificate of ours (cert=, key=)",
    "PROTOCOL_VERSION": "it does not speak TLS 1.2 or newer",
    "INSUFFICIENT_SECURITY": "it accepts none of our ciphers",
    "CERTIFICATE_REQUIRED": "it asks for a certificate of ours; name one with cert= and key=",
    "UNKNOWN_CA": "it does not know the authority of our certificate",
    "CERTIFICATE_EXPIRED": "our certificate has expired",
    "CERTIFICATE_REVOKED": "our certificate has been revoked",
    "UNSUPPORTED_CERTIFICATE": "our certificate is of a kind it does not take",
    "BAD_CERTIFICATE": "it does not accept our certificate",
    "CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "ACCESS_DENIED": "our certificate is valid, but not let in",
    "UNRECOGNIZED_NAME": "it does not know the name it was called by",
}

_NOT_TLS: Final = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))
_TOO_OLD: Final = frozenset(("UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "UNKNOWN_PROTOCOL"))

NOT_TLS: Final = "what came is not TLS"


def _reason(exc: ssl.SSLError) -> str:
    """OpenSSL's own name for what happened; "" where it has none."""
    return getattr(exc, "reason", None) or ""


def is_alert(exc: ssl.SSLError) -> bool:
    """Whether the peer gave up, rather than we."""
    reason = _reason(exc)
    return "_ALERT_" in reason or reason == "TLSV1_UNRECOGNIZED_NAME"


def explain(exc: ssl.SSLError, server: bool) -> str:
    """What happened, in words for people; ``server`` says which side we are."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _unverified(exc, server)
    reason = _reason(exc)
    if is_alert(exc):
        alert = reason.rpartition("ALERT_")[2].removeprefix("TLSV1_")
        words = _ALERTS.get(alert, alert.lower().replace("_", " "))
        return f"the other end refused: {words}"
    if reason in _NOT_TLS:
        return NOT_TLS
    if reason in _TOO_OLD:
        return "the other end does not speak TLS 1.2 or newer"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "the caller gave no certificate"
    if reason == "NO_SHARED_CIPHER":
        return "the caller has no cipher in common with us"
    return "TLS failed: " + (reason.lower().replace("_", " ") or exc.strerror or str(exc))


def _unverified(exc: ssl.SSLCertVerificationError, server: bool) -> str:
    whose = "the caller's certificate" if server else "the certificate"
    remedy = "clientca=" if server else "ca="
    if exc.verify_code in _UNKNOWN_AUTHORITY:
        return f"{whose} was signed by an authority that is unknown here; {remedy} names those to be trusted"
    if exc.verify_code == _SELF_SIGNED:
        how = f"{remedy} can name it" if server else "ca= can name it, pin= its SHA-256"
        return f"{whose} is signed by nobody but itself; {how}"
    known = _UNVERIFIED.get(exc.verify_code)
    return f"{whose} {known}" if known else f"{whose} cannot be verified: {exc.verify_message}"
