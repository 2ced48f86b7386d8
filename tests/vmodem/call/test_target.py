"""TARGET strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.call.target import BUILT_INS, KINDS, Target, TargetError, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tcp:bbs.example.net:23", Target("tcp", "bbs.example.net", 23)),
        (" TCP:10.0.0.1:2323 ", Target("tcp", "10.0.0.1", 2323)),
        ("tcp:[2001:db8::1]:23", Target("tcp", "2001:db8::1", 23)),
        (r"tcp:2001\:db8\:\:1:23", Target("tcp", "2001:db8::1", 23)),
        (r"tcp:[\:\:1]:23", Target("tcp", "::1", 23)),
        ("tcp:host=a.example:port=99", Target("tcp", "a.example", 99)),
        ("unix:/run/x.sock", Target("unix", path="/run/x.sock")),
        (r"unix:/run/a\:b", Target("unix", path="/run/a:b")),
        ("exec:/bin/echo hello 'big world'", Target("exec", argv=("/bin/echo", "hello", "big world"))),
        (r"exec:cat a\:b c:d", Target("exec", argv=("cat", "a:b", "c:d"))),
        ("exec:echo $HOME;ls|x", Target("exec", argv=("echo", "$HOME;ls|x"))),
        ("telnet:bbs.example", Target("telnet", "bbs.example", 23)),
        (
            "telnet:bbs.example:992:cr-nul=never",
            Target("telnet", "bbs.example", 992, options=(("cr-nul", "never"),)),
        ),
        ("telnet:[::1]", Target("telnet", "::1", 23)),
        ("rfc2217:10.0.0.9:7001", Target("rfc2217", "10.0.0.9", 7001)),
        ("auto:10.0.0.9:7001", Target("auto", "10.0.0.9", 7001)),
        ("udp:10.0.0.9:5000", Target("udp", "10.0.0.9", 5000)),
        ("ssh:me@host", Target("ssh", "host", 22, user="me")),
        ("ssh:me@[::1]:2222", Target("ssh", "::1", 2222, user="me")),
        (
            r"tls:host:9000:ca=/etc/a\:b.pem:pin=AB",
            Target("tls", "host", 9000, options=(("ca", "/etc/a:b.pem"), ("pin", "AB"))),
        ),
        ("line:front", Target("line", name="front")),
        ("group:bank", Target("group", name="bank")),
        ("vmodem:plant.example", Target("vmodem", name="plant.example")),
        *((f"{kind}:", Target(kind)) for kind in BUILT_INS),
        ("echo", Target("echo")),
    ],
)
def test_good(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("tcpp:a:1", "did you mean tcp:"),
        ("ehco:", "did you mean echo:"),
        ("zzz:a", "known are tcp:"),
        ("bbs.example.net", "write tcp:HOST:PORT"),
        ("", "known are"),
        ("tcp:host", "the port is missing"),
        ("tcp:host:0", "from 1 to 65535"),
        ("tcp:host:65536", "from 1 to 65535"),
        ("tcp:host:x", "from 1 to 65535"),
        ("tcp::23", "the host is missing"),
        ("tcp:a b:23", "holds a blank"),
        ("tcp:::1:23", "brackets"),
        ("tcp:[::1:23", "tcp:[2001:db8::1]:23"),
        ("unix:", "needs a path"),
        ("exec:", "needs a command"),
        ("exec:'", "close every quote"),
        ("exec:''", "needs a command"),
        ("help:me", "takes nothing"),
        ("ssh:host", "the account"),
        ("tls:host:1:cra=x", "did you mean ca="),
        ("tls:host:1:ca=x:ca=y", "twice"),
        ("telnet:host:1:cr-nul=maybe", "auto or always or never"),
        ("tcp:host:1:ca=x", "it takes none"),
        ("line:", "a modem's name"),
        ("group:a b", "a group's name"),
    ],
)
def test_bad(text: str, part: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text(text: str) -> None:
    try:
        target = parse_target(text)
    except TargetError:
        return
    assert target.kind in KINDS


@given(st.sampled_from([f"{kind}:" for kind in KINDS]), st.text())
def test_any_rest(kind: str, rest: str) -> None:
    try:
        target = parse_target(kind + rest)
    except TargetError:
        return
    if target.kind not in ("unix", "exec"):
        assert parse_target(str(target)) == target


def test_as_text() -> None:
    assert str(Target("tcp", "::1", 23)) == "tcp:[::1]:23"
    assert str(Target("tcp", "a", 23)) == "tcp:a:23"
    assert str(Target("unix", path="/x")) == "unix:/x"
    assert str(Target("exec", argv=("a", "b"))) == "exec:a b"
    assert str(Target("loop")) == "loop:"
