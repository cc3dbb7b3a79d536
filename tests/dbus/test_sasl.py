# SPDX-License-Identifier: Apache-2.0
"""Authentication: the dialogues of real clients, and those that must not succeed (D-Bus Specification)."""

import pytest

from livefw.dbus.sasl import LINE_LIMIT, LINES_LIMIT, Sasl, SaslError

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


ANSWERS = {
    # "Authentication Protocol": the states of a server, and what each answers to a command.
    "cancelled before": [(b"\0CANCEL\r\n", b"REJECTED EXTERNAL\r\n")],
    "cancelled while it waits for data": [
        (b"\0AUTH EXTERNAL\r\nCANCEL\r\nDATA\r\n", b"DATA\r\nREJECTED EXTERNAL\r\nERROR\r\n")
    ],
    "cancelled when it has agreed": [
        (b"\0AUTH EXTERNAL 30\r\nCANCEL\r\n", b"OK guid\r\nREJECTED EXTERNAL\r\n"),
        (b"NEGOTIATE_UNIX_FD\r\n", b"ERROR\r\n"),
    ],
    "an error of the client": [(b"\0AUTH EXTERNAL\r\nERROR no\r\n", b"DATA\r\nREJECTED EXTERNAL\r\n")],
    "an unknown command": [(b"\0HELP\r\n", b"ERROR\r\n")],
    "an unknown command later": [(b"\0AUTH EXTERNAL 30\r\nHELP\r\n", b"OK guid\r\nERROR\r\n")],
    "data too early": [(b"\0DATA 30\r\n", b"ERROR\r\n")],
    "AUTH twice": [(b"\0AUTH EXTERNAL 30\r\nAUTH EXTERNAL 30\r\n", b"OK guid\r\nERROR\r\n")],
    "descriptors too early": [(b"\0NEGOTIATE_UNIX_FD\r\n", b"ERROR\r\n")],
    "a mechanism of another name": [(b"\0AUTH EXTERNAL2 30\r\n", b"REJECTED EXTERNAL\r\n")],
    "data that is right": [(b"\0AUTH EXTERNAL\r\nDATA 30\r\n", b"DATA\r\nOK guid\r\n")],
    "as long a line as is taken": [(b"\0" + b"x" * LINE_LIMIT + b"\r\n", b"ERROR\r\n")],
    "as many lines as are taken": [(b"\0" + b"x\r\n" * LINES_LIMIT, b"ERROR\r\n" * LINES_LIMIT)],
    "a line that has begun": [(b"\0" + b"x" * LINE_LIMIT, b""), (b"\r\n", b"ERROR\r\n")],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_nobody_gets_in_without_asking_rightly(name: str) -> None:
    sasl = Sasl(0, "guid")
    assert [sasl.feed(sent) for sent, _ in ANSWERS[name]] == [(answer, b"") for _, answer in ANSWERS[name]]
    assert not sasl.done


@pytest.mark.parametrize("asks", [False, True])
def test_descriptors_pass_only_where_the_client_has_asked(asks: bool) -> None:
    sasl = Sasl(0, "guid")
    sasl.feed(b"\0AUTH EXTERNAL 30\r\n" + b"NEGOTIATE_UNIX_FD\r\n" * asks + b"BEGIN\r\n")
    assert (sasl.done, sasl.passes_fds) == (True, asks)


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
    "endless line": b"\0" + b"x" * (LINE_LIMIT + 1),
    "a long line at once": b"\0" + b"x" * (LINE_LIMIT + 1) + b"\r\n",
    "endless lines": b"\0" + b"AUTH\r\n" * (LINES_LIMIT + 1),
    "a message at once": b"l\1\0\1",
    "BEGIN after a rejection": b"\0AUTH EXTERNAL 31\r\nBEGIN\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_others_are_shown_out(name: str) -> None:
    with pytest.raises(SaslError):
        Sasl(0, "guid").feed(BAD[name])
