"""Any interleaving of clients, whatever the policy: what arrives is what was sent, in order."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.sharing import Remote, Sharing
from vmodem.server.rules import PackRules

PROTOCOLS = ("", "telnet", "rfc2217")
SUBJECTS = st.tuples(st.integers(0, 3), st.integers(1, 40))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), SUBJECTS),
        st.tuples(st.just("read"), SUBJECTS),
        st.tuples(st.just("set"), SUBJECTS),
        st.tuples(st.just("device"), SUBJECTS),
        st.tuples(st.just("take"), SUBJECTS),
        st.tuples(st.just("time"), SUBJECTS),
    ),
    max_size=60,
)


def data_of(stream: bytes, protocol: str) -> bytes:
    """What was sent as data; no data here holds an IAC."""
    if protocol:
        stream = re.sub(rb"\xff\xfa.*?\xff\xf0", b"", stream, flags=re.DOTALL)
        stream = re.sub(rb"\xff[\xfb-\xfe].", b"", stream, flags=re.DOTALL)
    return stream


@settings(max_examples=150)
@given(
    STEPS,
    st.lists(st.sampled_from(PROTOCOLS), min_size=4, max_size=4),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from(["block", "drop-oldest"]),
    st.sampled_from([PackRules(), PackRules(idle=0), PackRules(max_size=7, delimiter=b"5")]),
)
def test_nothing_is_lost_or_reordered(
    steps: list[tuple[str, tuple[int, int]]], protocols: list[str], lock: float, slow: Any, pack: PackRules
) -> None:
    desk = Sharing()
    desk.port.room = 30
    desk.open(write_lock=lock, slow=slow, queue=50, pack=pack)
    remotes: list[Remote] = [desk.client(protocol, room=20) for protocol in protocols]
    said = [b""] * 4
    heard = [b""] * 4
    sent = b""
    for step, (who, size) in steps:
        remote = remotes[who]
        if step == "say":
            # Each client has letters of its own, in an order that shows what is missing.
            data = bytes(0x20 + 16 * who + (len(said[who]) + place) % 16 for place in range(size))
            said[who] += data
            remote.say(data)
        elif step == "set" and protocols[who] == "rfc2217":
            remote.say(b"\xff\xfa\x2c\x02\x07\xff\xf0")
        elif step == "read":
            heard[who] += remote.read()
        elif step == "device" and not desk.port.paused:
            data = bytes(0x30 + (len(sent) + place) % 10 for place in range(size))
            sent += data
            desk.port.send(data)
        elif step == "take":
            desk.port.take(size)
        elif step == "time":
            desk.tick(size / 200)
    for _ in range(50):
        desk.tick(0.3)
        desk.port.take()
        for place, remote in enumerate(remotes):
            remote.arrive()
            heard[place] += remote.read()
    written = bytes(desk.port.written)
    assert sorted(written) == sorted(b"".join(said))
    for place in range(4):
        low = 0x20 + 16 * place
        assert bytes(byte for byte in written if low <= byte < low + 16) == said[place]
        client = desk.shared.clients[place]
        got = data_of(heard[place], protocols[place])
        if slow == "block":
            assert got == sent
        else:
            assert len(got) + client.dropped == len(sent)
            rest = iter(sent)
            assert all(byte in rest for byte in got), "reordered"
    desk.shared.stop()
    desk.tick(10)
    assert not [call for call in desk.clock.getDelayedCalls() if call.active()]
