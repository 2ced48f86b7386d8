"""Names in certificates: what is for whom, checked against OpenSSL's own opinion."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.certificates import Certificates, certificates
from vmodem.net.tls.names import common_name, explain, matches, subject_name, wire_name, wrong_name

__all__ = ["certificates"]


def names(*alternatives: tuple[str, str], common: str = "") -> dict[str, Any]:
    """A certificate as OpenSSL's Python face shows it."""
    subject = ((("organizationName", "x"),), (("commonName", common),)) if common else ()
    return {"subject": subject, "subjectAltName": alternatives}


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("far.example", "far.example", True),
        ("far.example", "FAR.Example", True),
        ("far.example", "near.example", False),
        ("a.far.example", "far.example", False),
        ("far.example", "a.far.example", False),
        ("a.far.example", "*.far.example", True),
        ("a.b.far.example", "*.far.example", False),
        ("far.example", "*.far.example", False),
        ("far.example", "*.example", False),
        ("far.example", "*", False),
        ("far.example", "*.*", False),
        ("a.b.example", "*.*.example", False),
        ("abc.far.example", "a*.far.example", False),
        ("abc.far.example", "*c.far.example", False),
        ("a.b.example", "a.*.example", False),
        ("far.example", "far.example\0.evil.example", False),
        ("far.example", "", False),
        ("far.example", ".far.example", False),
        ("127.0.0.1", "127.0.0.1", False),  # an address is never a host name
        ("127.0.0.1", "*.0.0.1", False),
    ],
)
def test_host_names(name: str, pattern: str, fits: bool) -> None:
    assert matches(name, names(("DNS", "other.example"), ("DNS", pattern))) is fits


@pytest.mark.parametrize(
    ("name", "address", "fits"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("2001:db8::1", "2001:DB8:0:0:0:0:0:1\n", True),
        ("::1", "no address", False),
        ("far.example", "127.0.0.1", False),
    ],
)
def test_addresses(name: str, address: str, fits: bool) -> None:
    assert matches(name, names(("IP Address", address))) is fits


def test_common_name_is_no_host_name() -> None:
    assert not matches("far.example", names(common="far.example"))
    assert not matches("far.example", {})
    assert not matches("far.example", names(("email", "far.example"), ("URI", "far.example")))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Far.Example.", "far.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("under_score.example", "under_score.example"),
    ],
)
def test_names_dialled(text: str, name: str) -> None:
    assert wire_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", ".a", "a b", "a\0b", "a*b", "*.a.example", "x" * 64, "a/b", "%", "[]", "\ud800"],
)
def test_no_names(text: str) -> None:
    with pytest.raises(ValueError):
        wire_name(text)


@given(st.text())
def test_any_name_is_one_or_is_not(text: str) -> None:
    try:
        assert wire_name(wire_name(text)) == wire_name(text)
    except ValueError:
        pass


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A name and a pattern that are often alike."""
    label = st.sampled_from(["a", "b", "a1", "b-b", "xn--a", "far"])
    name = draw(st.lists(label, min_size=1, max_size=4))
    pattern = draw(st.one_of(st.just(name), st.lists(label, min_size=1, max_size=4)))
    if draw(st.booleans()):
        pattern = ["*", *pattern[1:]]
    if draw(st.booleans()):
        pattern = [each.upper() for each in pattern]
    return ".".join(name), ".".join(pattern)


@given(pair=pairs())
@settings(max_examples=25)
def test_as_openssl_sees_it(certificates: Certificates, pair: tuple[str, str]) -> None:
    """OpenSSL's own check on a real certificate comes to the same result."""
    name, pattern = pair
    made = certificates.leaf("x", f"DNS:{pattern}")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.cert, made.key)
    client = ssl.create_default_context(cafile=certificates.authority().cert)
    ends = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    near = client.wrap_bio(ends[0], ends[1], server_hostname=name)
    far = server.wrap_bio(ends[1], ends[0], server_side=True)
    codes: list[int] = []
    for _ in range(4):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as exc:
                codes.append(exc.verify_code)
            except ssl.SSLError:
                pass  # the far end hears of it
    assert set(codes) <= {62}  # X509_V_ERR_HOSTNAME_MISMATCH
    assert matches(wire_name(name), names(("DNS", pattern))) is (not codes)


def test_what_a_certificate_says_of_its_holder() -> None:
    assert subject_name(names(("DNS", "a.example"), common="Line 1")) == "Line 1"
    assert subject_name(names(("email", "a@b.example"), ("DNS", "a.example"))) == "a@b.example"
    assert subject_name({}) == common_name({}) == ""


def test_wrong_name() -> None:
    made = names(*(("DNS", f"{i}.example") for i in range(7)), ("IP Address", "10.0.0.1"))
    said = wrong_name("far.example", made)
    assert said == (
        "the certificate is for 0.example, 1.example, 2.example, 3.example, 4.example and 3 more, "
        "not for far.example"
    )
    assert "its common name, far.example, does not count" in wrong_name(
        "far.example", names(common="far.example")
    )
    assert len(wrong_name("far.example", names(("DNS", "x" * 10000)))) < 200


def test_explains_whatever_openssl_says() -> None:
    assert explain(ssl.SSLError(1, "words of its own"), False) == "TLS failed: words of its own"
    assert explain(ssl.SSLError(), True).startswith("TLS failed")
