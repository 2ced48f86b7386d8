"""How two vmodems agree on a connection, and how everybody else is told apart without losing a byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.pairhello import (
    MAGIC,
    Agreed,
    CalledHello,
    CallerHello,
    Outcome,
    Reason,
    Refused,
    Resume,
    Stranger,
)

ONE, TWO, NAME = b"1" * 16, b"2" * 16, b"s" * 16


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def agree(caller: CallerHello, called: CalledHello, size: int = 1 << 16) -> tuple[Outcome, Outcome]:
    """Carry what they say, in pieces of ``size``, until both are silent."""
    to_called, to_caller = caller.hello, b""
    while to_called or to_caller:
        out, to_called = to_called, b""
        for piece in pieces(out, size):
            to_caller += called.receive(piece)
        out, to_caller = to_caller, b""
        for piece in pieces(out, size):
            if caller.outcome is None:
                to_called += caller.receive(piece)
    return caller.outcome, called.outcome


def known(name: bytes, attempt: int) -> int | None:
    return 77 if name == NAME and attempt > 1 else None


def called_end(secret: bytes = b"") -> CalledHello:
    return CalledHello(TWO, NAME, known, secret)


@pytest.mark.parametrize("secret", [b"", b"between us"])
@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_new_call(secret: bytes, size: int) -> None:
    caller, called = agree(CallerHello(ONE, "555-1234", "Plant 7", secret), called_end(secret), size)
    assert caller == Agreed(NAME, False, 0)
    assert called == Agreed(NAME, False, 0, "5551234", "Plant 7")


@pytest.mark.parametrize("secret", [b"", b"between us"])
def test_call_that_goes_on(secret: bytes) -> None:
    hello = CallerHello(ONE, secret=secret, resume=Resume(NAME, 42, 2))
    caller, called = agree(hello, called_end(secret))
    assert caller == Agreed(NAME, True, 77, attempt=2)
    assert called == Agreed(NAME, True, 42, attempt=2)


@pytest.mark.parametrize("resume", [Resume(b"x" * 16, 0, 2), Resume(NAME, 0, 1)], ids=["unknown", "older"])
def test_call_that_is_no_more(resume: Resume) -> None:
    assert agree(CallerHello(ONE, resume=resume), called_end()) == (
        Refused(Reason.NO_SESSION),
        Refused(Reason.NO_SESSION),
    )


@pytest.mark.parametrize(("mine", "yours"), [(b"a", b"b"), (b"a", b""), (b"", b"b")])
def test_secrets_that_differ(mine: bytes, yours: bytes) -> None:
    caller, called = agree(CallerHello(ONE, "5", "n", mine), called_end(yours))
    assert called == Refused(Reason.SECRET)
    assert caller == Refused(Reason.SECRET)


def test_called_end_that_only_pretends_to_know_the_secret() -> None:
    """Its answer has everything but the MAC, and one from another agreement is worth nothing."""
    other = CallerHello(b"3" * 16, secret=b"key")
    true = called_end(b"key")
    verdict = true.receive(other.receive(true.receive(other.hello)))
    assert isinstance(true.outcome, Agreed)
    caller = CallerHello(ONE, secret=b"key")
    caller.receive(called_end(b"key").receive(caller.hello))
    caller.receive(verdict)
    assert caller.outcome == Refused(Reason.SECRET)


def test_proof_of_another_agreement_is_worth_nothing() -> None:
    caller = CallerHello(ONE, secret=b"key")
    proof = caller.receive(called_end(b"key").receive(caller.hello))
    later = CalledHello(b"4" * 16, NAME, known, b"key")
    later.receive(caller.hello)
    later.receive(proof)
    assert later.outcome == Refused(Reason.SECRET)


def test_nothing_is_asked_of_a_session_before_the_secret_is_known() -> None:
    asked: list[bytes] = []

    def found(name: bytes, attempt: int) -> int:
        asked.append(name)
        return 0

    called = CalledHello(TWO, NAME, found, b"right")
    agree(CallerHello(ONE, secret=b"wrong", resume=Resume(NAME, 0, 1)), called)
    assert called.outcome == Refused(Reason.SECRET)
    assert asked == []


def test_another_version_is_told() -> None:
    hello = bytearray(CallerHello(ONE).hello)
    hello[len(MAGIC)] = 9
    called = called_end()
    answer = called.receive(bytes(hello))
    assert called.outcome == Refused(Reason.VERSION)
    caller = CallerHello(ONE)
    caller.receive(answer)
    assert caller.outcome == Refused(Reason.VERSION)


def test_what_follows_the_agreement_is_kept() -> None:
    caller, called = CallerHello(ONE), called_end()
    answer = called.receive(caller.hello + b"first")
    assert called.outcome == Agreed(NAME, False, 0, rest=b"first")
    caller.receive(answer + b"second")
    assert caller.outcome == Agreed(NAME, False, 0, rest=b"second")


def test_what_a_caller_says_of_itself_is_made_harmless() -> None:
    evil = CallerHello(ONE)
    body = bytearray(evil.hello[:-2])
    body += bytes((40,)) + b"5\x1b[2J55\r\nATH" + b"9" * 28 + bytes((60,)) + b"\x07x\xffy" + b"z" * 56
    body[len(MAGIC) + 3] = len(body) - len(MAGIC) - 4
    called = called_end()
    called.receive(bytes(body))
    assert isinstance(called.outcome, Agreed)
    assert called.outcome.number == ("5255A" + "9" * 28)[:32]
    assert called.outcome.name == "xy" + "z" * 48


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50))
def test_stranger_loses_no_byte(data: bytes, size: int) -> None:
    called = called_end()
    told = 0
    for piece in pieces(data, size):
        assert called.receive(piece) == b""
        told += len(piece)
        if called.outcome is not None:
            break
    if data.startswith(MAGIC[: len(data)]):
        assert called.outcome is None
        assert called.heard == data
    else:
        assert called.outcome == Stranger(data[:told])


def test_beginning_of_a_hello_is_no_hello_yet() -> None:
    called = called_end()
    called.receive(MAGIC[:5])
    assert (called.recognised, called.outcome, called.heard) == (False, None, MAGIC[:5])
    called.receive(MAGIC[5:])
    assert called.recognised


def test_somebody_else_answers() -> None:
    caller = CallerHello(ONE)
    caller.receive(b"login: ")
    assert caller.outcome == Stranger(b"login: ")


@given(st.binary(max_size=300), st.integers(1, 300))
def test_nonsense_behind_the_magic_ends_in_words(data: bytes, size: int) -> None:
    for end in (called_end(), called_end(b"key"), CallerHello(ONE), CallerHello(ONE, secret=b"key")):
        for piece in pieces(MAGIC + b"\x01" + data, size):
            if end.outcome is None:
                end.receive(piece)
