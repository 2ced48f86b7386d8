"""What a configuration names on this machine, and whether it is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.helpers.certificates import Certificates, certificates
from vmodem.config import ConfigError, parse_config
from vmodem.config.machine import look
from vmodem.config.mistake import shown

__all__ = ["certificates"]


def found(text: str) -> list[tuple[str, bool, str]]:
    """Key, whether it is a warning, and the text, of everything that this machine lacks for a file."""
    return [(shown(each.path), each.warning, each.text) for each in look(parse_config(text))]


def one(text: str, key: str, warning: bool, *words: str) -> None:
    """Exactly this is lacking."""
    (finding,) = found(text)
    assert finding[:2] == (key, warning), finding
    for word in words:
        assert word in finding[2]


def tls(cert: object, key: object, more: str = "") -> str:
    return f'[modem.a]\nline = "stdio:"\nanswer = "tls:0:cert={cert}:key={key}{more}"\n'


# -- certificates --------------------------------------------------------------------------------------------


def test_good_certificates(certificates: Certificates) -> None:
    made, ca = certificates.leaf("far"), certificates.authority()
    os.chmod(made.key, 0o600)
    assert found(tls(made.cert, made.key, f":clientca={ca.cert}")) == []
    assert found(f'[directory]\n"1" = "tls:h:1:ca={ca.cert}:cert={made.cert}:key={made.key}"\n') == []
    ups = f'[ups.a]\nline = "/dev/null"\ncert = "{made.cert}"\nkey = "{made.key}"\n'
    assert found(ups) == []


def test_every_file_that_will_not_do_is_told_at_once(certificates: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    gone = tmp_path / "gone"
    told = found(tls(gone, text, f":clientca={text}"))
    assert [(key, warning) for key, warning, _ in told] == [("modem.a.answer[1]", False)] * 3
    assert [each.partition(" ")[0] for _, _, each in told] == [
        f"cert={gone}",
        f"key={text}",
        f"clientca={text}",
    ]
    assert "No such file" in told[0][2]
    assert "holds no private key" in told[1][2]


def test_a_key_of_another_certificate(certificates: Certificates) -> None:
    made, other = certificates.leaf("far"), certificates.leaf("other")
    os.chmod(other.key, 0o600)
    one(tls(made.cert, other.key), "modem.a.answer[1]", False, "does not fit the certificate")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    told = found(tls(tmp_path / "pipe", tmp_path))
    assert ["is no file" in told[0][2], "Is a directory" in told[1][2]] == [True, True]


@pytest.mark.parametrize(("since", "words"), [(-5, "expired on 20"), (2, "is not valid before 20")])
def test_a_certificate_out_of_its_time_is_a_warning(
    certificates: Certificates, since: float, words: str
) -> None:
    made = certificates.leaf("old", since=since, days=3)
    os.chmod(made.key, 0o600)
    one(tls(made.cert, made.key), "modem.a.answer[1]", True, f"cert={made.cert}", words)
    one(f'[directory]\n"1" = "tls:h:1:cert={made.cert}:key={made.key}"\n', "directory.1", True, words)


def test_of_authorities_one_that_is_valid_is_enough(certificates: Certificates, tmp_path: Path) -> None:
    old, good = certificates.leaf("old", since=-5, days=3), certificates.authority()
    bundle = tmp_path / "bundle"
    bundle.write_text(Path(old.cert).read_text() + Path(good.cert).read_text())
    assert found(f'[directory]\n"1" = "tls:h:1:ca={bundle}"\n') == []
    one(
        f'[directory]\n"1" = "tls:h:1:ca={old.cert}"\n',
        "directory.1",
        True,
        "every certificate in it expired",
    )


def test_a_key_that_everybody_reads_is_a_warning(certificates: Certificates, tmp_path: Path) -> None:
    made = certificates.leaf("far")
    key = tmp_path / "key"
    shutil.copy(made.key, key)
    key.chmod(0o644)
    one(tls(made.cert, key), "modem.a.answer[1]", True, "chmod")


def test_a_call_alone_fails_for_a_target(tmp_path: Path) -> None:
    one(f'[directory]\n"1" = "tls:h:1:ca={tmp_path}/ca"\n', "directory.1", True, "ca=", "No such file")
    redirect = f'[redirect.r]\nport = "pty:{tmp_path}/r"\nto = "tls:h:1:ca={tmp_path}/ca"\n'
    one(redirect, "redirect.r.to", True, "ca=")


def test_starttls_of_a_ups(tmp_path: Path) -> None:
    table = f'[ups.a]\nline = "/dev/null"\ncert = "{tmp_path}/c"\n'
    assert {each[:2] for each in found(table)} == {("ups.a.cert", False)}


# -- programs and accounts -----------------------------------------------------------------------------------


def test_programs(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert found('[directory]\n"1" = "exec:sh -c x"\n"2" = "exec:/bin/sh"\n') == []
    for command, words in (
        ("no-such-program x", 'no program "no-such-program"'),
        (f"{file} x", "may not be executed; run: chmod +x"),
        (str(tmp_path), "is a directory"),
        ("/nowhere/at/all", "check the path"),
    ):
        one(f'[directory]\n"1" = "exec:{command}"\n', "directory.1", True, words)
        one(f'[modem.a]\nline = "stdio:"\ndefault = "exec:{command}"\n', "modem.a.default", True, words)
        hook = f'[ups.a]\nline = "/dev/null"\nhooks = {{ onbatt = "{command}" }}\n'
        one(hook, "ups.a.hooks.onbatt", True, words)


def test_accounts() -> None:
    one(
        '[directory]\n"1" = { target = "exec:sh", user = "no-such-one" }\n',
        "directory.1.user",
        True,
        'no account "no-such-one"',
    )


# -- lines and places ----------------------------------------------------------------------------------------


def test_owner_and_group_of_a_pseudo_terminal(tmp_path: Path) -> None:
    line = f'[modem.a]\nline = "pty:{tmp_path}/a:{{}}"\n'
    assert found(line.format(f"group={os.getegid()}")) == []
    for more in ("owner=no-such-one", "group=no-such-one"):
        one(line.format(more), "modem.a.line", False, "no-such-one", "name one of this machine")


def test_where_a_link_is_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "stale").symlink_to("/dev/pts/9999")
    (tmp_path / "astray").symlink_to(tmp_path / "file")
    line = f'[modem.a]\nline = "pty:{tmp_path}/{{}}"\n'
    assert found(line.format("new")) == found(line.format("stale")) == []
    one(line.format("file"), "modem.a.line", False, "is a file, not a link")
    one(line.format("astray"), "modem.a.line", False, "no pseudo-terminal")
    one(line.format("none/new"), "modem.a.line", True, f"there is no folder {tmp_path}/none")
    redirect = f'[redirect.r]\nport = "pty:{tmp_path}/file"\nto = "echo:"\n'
    one(redirect, "redirect.r.port", False, "is a file")


def test_devices(tmp_path: Path) -> None:
    """One that is missing may be plugged in later; one that can never be a port is a mistake."""
    (tmp_path / "file").write_text("")
    for table, key in (("modem", "modem.a.line"), ("port", "port.a.line"), ("ups", "ups.a.line")):
        line = f'[{table}.a]\n{"open = true" if table == "port" else ""}\nline = "serial:{{}}"\n'
        line += f'listen = "unix:{tmp_path}/socket"\n' if table == "port" else ""
        assert found(line.format("/dev/null")) == []
        one(line.format("/dev/ttyNONE9"), key, True, "is not there")
        one(line.format(tmp_path / "file"), key, False, "is no serial port")


def test_sockets_and_captures(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "stale"))
    listen = f'[modem.a]\nline = "stdio:"\nanswer = "unix:{tmp_path}/{{}}"\n'
    assert found(listen.format("new")) == found(listen.format("stale")) == []
    one(listen.format("file"), "modem.a.answer[1]", False, "is no socket")
    one(listen.format("none/s"), "modem.a.answer[1]", True, "there is no folder")
    one(f'[modem.a]\nline = "unix:{tmp_path}/file"\n', "modem.a.line", False, "is no socket")
    redirect = f'[redirect.r]\nport = "pty:{tmp_path}/r"\nto = "echo:"\ncapture = "{tmp_path}/{{}}"\n'
    assert found(redirect.format("new")) == found(redirect.format("file")) == []
    one(redirect.format("none/c"), "redirect.r.capture", True, "there is no folder")
    one(redirect.format(""), "redirect.r.capture", False, "is no file")


def test_addresses_of_this_machine() -> None:
    listen = '[modem.a]\nline = "stdio:"\nanswer = "tcp:8001{}"\n'
    for more in ("", ":interface=127.0.0.1", ":interface=127.9.9.9"):
        assert found(listen.format(more)) == []
    one(listen.format(":interface=192.0.2.1"), "modem.a.answer[1]", True, "192.0.2.1", "no address of this")
    one('[modem.a]\nline = "tcp:1:interface=192.0.2.1"\n', "modem.a.line", True, "192.0.2.1")


def test_names_that_no_system_call_takes(tmp_path: Path) -> None:
    """Whatever stands there, it is told and never falls over."""
    nul, long = "\\u0000", "x" * 5000
    for name in (nul, long, "\\ud7ff", ""):
        for text in (
            f'[modem.a]\nline = "pty:{name}:owner={name}"\n',
            f'[modem.a]\nline = "serial:{name}"\n',
            f'[modem.a]\nline = "unix:{name}"\n',
            tls(name or "c", name or "k").replace('"stdio:"', '"unix:/tmp/y"'),
            f'[modem.a]\nline = "stdio:"\nanswer = "unix:{name}"\n',
            f'[directory]\n"1" = {{ target = "exec:{name or "x"}", user = "{name}" }}\n',
            f'[redirect.r]\nport = "pty:{tmp_path}/r"\nto = "echo:"\ncapture = "{name}"\n',
        ):
            with contextlib.suppress(ConfigError):
                look(parse_config(text))
