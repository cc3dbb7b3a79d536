# SPDX-License-Identifier: Apache-2.0
"""Authentication: the dialogues of real clients, and those that must not succeed (D-Bus Specification)."""

import pytest

from livefw.daemon.sasl import LINE_LIMIT, LINES_LIMIT, Sasl, SaslError

GOOD = {
    "GDBus": [
        (b"\0AUTH\r\n", b"REJECTED EXTERNAL\r\n"),
        (b"AUTH EXTERNAL 3635353334\r\n", b"OK guid\r\n"),
        (b"NEGOTIATE_UNIX_FD\r\n", b"AGREE_UNIX_FD\r\n"),
        (b"BEGIN\r\n", b""),
    ],
    "sd-bus": [
        (
            b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
            b"DATA\r\nOK guid\r\nAGREE_UNIX_FD\r\n",
        )
    ],
    "ours": [(b"\0AUTH EXTERNAL 3635353334\r\nBEGIN\r\n", b"OK guid\r\n")],
    "after a wrong mechanism": [
        (b"\0AUTH ANONYMOUS\r\n", b"REJECTED EXTERNAL\r\n"),
        (b"AUTH EXTERNAL 3635353334\r\nBEGIN\r\n", b"OK guid\r\n"),
    ],
}


@pytest.mark.parametrize("client", GOOD)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_clients_get_in(client: str, byte_by_byte: bool) -> None:
    sasl = Sasl(65534, "guid")
    for sent, expected in GOOD[client]:
        pieces = [bytes([byte]) for byte in sent] if byte_by_byte else [sent]
        assert b"".join(sasl.feed(piece)[0] for piece in pieces) == expected
    assert sasl.done


def test_what_follows_is_left_for_the_messages() -> None:
    assert Sasl(0, "guid").feed(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1")[1] == b"l\1"


@pytest.mark.parametrize("claim", [b"30", b"31", b"", b"zz", b"36353533343", b"3635353334 30"])
def test_another_uid_is_rejected(claim: bytes) -> None:
    sasl = Sasl(65534, "guid")
    answer = sasl.feed(b"\0AUTH EXTERNAL " + claim + b"\r\n")[0]
    assert answer in (b"REJECTED EXTERNAL\r\n", b"DATA\r\n")
    if answer == b"DATA\r\n":
        assert sasl.feed(b"DATA 30\r\n")[0] == b"REJECTED EXTERNAL\r\n"
    assert not sasl.done


BAD = {
    "no NUL": b"AUTH EXTERNAL 30\r\n",
    "BEGIN first": b"\0BEGIN\r\n",
    "endless line": b"\0AUTH " + b"x" * LINE_LIMIT,
    "endless lines": b"\0" + b"AUTH\r\n" * (LINES_LIMIT + 1),
    "a message at once": b"l\1\0\1",
    "BEGIN after a rejection": b"\0AUTH EXTERNAL 31\r\nBEGIN\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_others_are_shown_out(name: str) -> None:
    with pytest.raises(SaslError):
        Sasl(0, "guid").feed(BAD[name])
