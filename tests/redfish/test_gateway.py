# SPDX-License-Identifier: Apache-2.0
"""A gateway in front of many BMCs: each has a path of its own there, in links or not."""

from collections.abc import Mapping

import pytest

from livefw.machine.bmc.reply import WebReply
from livefw.providers import fake
from livefw.providers.base import Reply

from .conftest import URL, Bench

PREFIX = "/bmc/rack-7"


class Gateway(Bench):
    """Passes on what is below `PREFIX`, and nothing else. Some gateways ``rewrite`` the links of the BMC."""

    def __init__(self, *, rewrite: bool) -> None:
        super().__init__()
        settings = self.files.tree[fake.SETTINGS].decode().replace(URL, URL + PREFIX)
        self.files.tree[fake.SETTINGS] = settings.encode()
        self._handle, self._rewrite = self.web.handle, rewrite
        self.web.handle = self._pass_on  # type: ignore[method-assign]
        self.outside: list[str] = []

    def _pass_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> WebReply:
        if not path.startswith(f"{PREFIX}/redfish/v1"):
            self.outside.append(path)
            return WebReply(404, {}, b"")
        reply = self._handle(method, path.removeprefix(PREFIX), headers, body)
        if not self._rewrite:
            return reply
        fields = {
            name: f"{URL}{PREFIX}{value}" if name == "Location" else value for name, value in reply.headers.items()
        }
        body = reply.body.replace(b'"/redfish/v1', f'"{PREFIX}/redfish/v1'.encode())
        return reply._replace(headers=fields, body=body)


@pytest.mark.parametrize("rewrite", [False, True])
def test_everything_goes_through_the_gateway(rewrite: bool) -> None:
    bench = Gateway(rewrite=rewrite)
    assert {each.id for each in bench.provider.discover().components} >= {"rack/bios", "rack/pmfw-a"}
    assert bench.stage().reply is Reply.ACCEPTED
    assert bench.activate().outcome == "activated"
    assert (bench.outside, bench.web.sessions) == ([], 0)
