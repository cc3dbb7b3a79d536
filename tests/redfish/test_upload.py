# SPDX-License-Identifier: Apache-2.0
"""How an image gets to a BMC: piece by piece, as it was when it was recorded, and as one form."""

import json
import os
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from bench.bmc_server import BmcFarm, Request
from bench.peak import peak

from livefw.machine.bmc import form as received
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.reply import WebReply
from livefw.machine.bmc.web import Web
from livefw.providers.base import ImagePackage
from livefw.providers.image_file import PIECE, ImageFile, UnusableImage
from livefw.providers.redfish import upload
from livefw.providers.redfish.exchange import ExchangeError
from livefw.providers.redfish.upload import FormField

LARGE = 160 << 20
ALLOWED = 64 << 10
"""KiB above what `livefw list` takes of the same BMC."""


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[tuple[BmcFarm, list[Request]]]:
    """A BMC that takes images of any size, what was pushed to it, and the settings for it in tmp_path."""
    web, pushed = Web(Model(time.monotonic, pattern=Pattern.STAGE, seconds=0.05), {"admin": "secret"}), list[Request]()

    def answer(request: Request) -> WebReply:
        if request.path.endswith("/update-multipart"):
            pushed.append(request)
        reply = web.handle(request.method, request.path, request.headers, request.body)
        if request.path.rstrip("/").endswith("/UpdateService"):
            return reply._replace(body=json.dumps(json.loads(reply.body) | {"MaxImageSizeBytes": 1 << 30}).encode())
        return reply

    with BmcFarm(answer) as made:
        (tmp_path / "etc/livefw").mkdir(parents=True)
        secret = tmp_path / "etc/livefw/secret"
        secret.write_text("admin\nsecret\n")
        secret.chmod(0o600)
        (tmp_path / "etc/livefw/ca.pem").write_bytes(made.pem.certificate)
        (tmp_path / "etc/livefw/livefw.toml").write_text(
            f'[[redfish.bmc]]\nname = "rack"\nurl = "{made.url()}"\n'
            'credentials = "/etc/livefw/secret"\nca = "/etc/livefw/ca.pem"\n'
        )
        yield made, pushed


def test_a_large_image_is_not_held_in_memory(tmp_path: Path, farm: tuple[BmcFarm, list[Request]]) -> None:
    """Field report: an image of 128 MiB took 420 MiB."""
    with open(tmp_path / "image", "wb") as file:
        file.write(b"version=1.9.0\n")
        file.truncate(LARGE)
    settings = str(tmp_path / "etc/livefw")
    command = [sys.executable, "-m", "livefw", "--root", str(tmp_path), "--settings", settings]
    places = os.environ | {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path)}
    idle = peak([*command, "list"], places)
    took = peak([*command, "stage", "rack/pmfw-a", str(tmp_path / "image")], places)
    (request,) = farm[1]
    assert LARGE < request.size < LARGE + 2_000
    assert took - idle < ALLOWED


NAMES = ["image.bin", 'a "quoted"\r\nname.bin', "größe.bin"]


@pytest.mark.parametrize("name", NAMES)
def test_the_form_is_what_a_service_reads(tmp_path: Path, name: str) -> None:
    """RFC 7578; DSP0266, "Software update types": UpdateParameters first, then UpdateFile."""
    data = bytes(range(256)) * 3_000
    (tmp_path / "image").write_bytes(data)
    with open(tmp_path / "image", "rb") as file:
        for package in (ImagePackage(name, data), ImagePackage(name, file=ImageFile(file))):
            body = upload.form(package, FormField("UpdateParameters", b'{"Targets": []}'))
            sent = b"".join(body)
            parts = received.parts(body.kind, sent)
            assert list(parts) == ["UpdateParameters", "UpdateFile"]
            assert [bytes(each) for each in parts.values()] == [b'{"Targets": []}', data]
            assert (len(sent), sent) == (len(body), b"".join(body))
            assert max(map(len, body)) <= max(PIECE, len(package.data))
            assert b"".join(upload.raw(package)) == data
            assert package.sha256 == sha256(data).hexdigest()


@pytest.mark.parametrize("size", [1, PIECE, 2 * PIECE + 1])
@pytest.mark.parametrize("change", [b"other", b""])
def test_an_image_that_changes_is_never_sent_whole(tmp_path: Path, size: int, change: bytes) -> None:
    """What was recorded before is what is sent: the last piece is kept back until the rest is known to be the same."""
    path = tmp_path / "image"
    path.write_bytes(bytes(size))
    with open(path, "rb") as file:
        package = ImagePackage("image", file=ImageFile(file))
        assert package.sha256 == sha256(bytes(size)).hexdigest()
        path.write_bytes(change * size)
        sent = bytearray()
        with pytest.raises(ExchangeError, match="only a part of it was sent") as caught:
            sent.extend(each for piece in upload.raw(package) for each in piece)
        assert not caught.value.sent
        assert len(sent) < size


def test_an_image_that_grows_is_sent_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"image")
    with open(path, "rb") as file:
        package = ImagePackage("image", file=ImageFile(file))
        path.write_bytes(b"image and more")
        assert b"".join(package.pieces()) == b"image"


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with open(tmp_path / "image", "w+b") as file:
        file.write(b"image")
        file.flush()
        image = ImageFile(file)
        unread = os.open(tmp_path / "image", os.O_WRONLY)
        os.dup2(unread, file.fileno())
        os.close(unread)
        with pytest.raises(UnusableImage, match="the image cannot be read"):
            image.head(4)
