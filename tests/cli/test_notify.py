# SPDX-License-Identifier: Apache-2.0
"""`livefw notify`, real senders in processes of their own, and the examples for mail and webhooks."""

import json
import os
import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from livefw.errors import ExitCode

from .conftest import Root

EXAMPLES = Path(__file__).parents[2] / "examples/notify.d"


@pytest.fixture
def hooks(ready: Root) -> Path:
    """The directory of executables beside the settings of a machine with one pending image."""
    folder = ready.file("/etc/livefw/notify.d")
    folder.mkdir(parents=True)
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def queue(root: Root) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(root.environment["LIVEFW_STATE"]) / "notify/queue.json").read_text())
    return found


def test_an_activation_has_its_event_sent_by_another_process(ready: Root, hooks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "got")
    script(hooks / "keep", f"cat > {tmp_path}/got")
    ready.run("activate", "--all", "--reason", "a test")
    event = json.loads((tmp_path / "got").read_text())
    assert (event["event"], event["reason"], event["root"]) == ("unknown", "a test", str(ready.path))
    assert f'"{event["activation"]}"' in ready.run("--json", "history").out


def test_an_executable_that_hangs_delays_no_activation(ready: Root, hooks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    script(hooks / "hang", f"cat {tmp_path}/go; exit 0")  # until this test lets it go
    done = ready.run("activate", "--all")
    assert done.code == ExitCode.UNKNOWN
    (tmp_path / "go").write_text("")


def test_no_two_senders_send_the_same(ready: Root, hooks: Path, tmp_path: Path) -> None:
    got = tmp_path / "got"
    script(hooks / "keep", f"sleep 0.05; cat >> {got}; echo >> {got}")
    environment = ready.environment | {"LIVEFW_NOTIFY": "queue"}
    for _ in range(3):
        subprocess.run(ready.command("activate", "--all"), env=environment, capture_output=True, check=False)
    assert len(queue(ready)["waiting"]) == 3
    senders = [ready.start("notify", "--send") for _ in range(6)]
    for sender in senders:
        sender.communicate()
    ids = [json.loads(line)["id"] for line in got.read_text().splitlines() if line]
    assert len(ids) == len(set(ids)) == 3
    assert ready.run("notify", "--send").code == ExitCode.DONE
    assert len(got.read_text().splitlines()) == 3


def test_an_event_whose_sender_died_is_sent_again_with_its_id(ready: Root, hooks: Path, tmp_path: Path) -> None:
    got = tmp_path / "got"
    # The parent of the keeper, which is the parent of this, is the sender.
    killer = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)"
    script(
        hooks / "keep",
        f"cat >> {got}; echo >> {got}; [ -e {tmp_path}/spare ] || {{ touch {tmp_path}/spare; {killer}; }}",
    )
    environment = ready.environment | {"LIVEFW_NOTIFY": "queue"}
    subprocess.run(ready.command("activate", "--all"), env=environment, capture_output=True, check=False)
    assert ready.run("notify", "--send").code == -9
    assert ready.run("notify", "--send").code == ExitCode.DONE
    ids = [json.loads(line)["id"] for line in got.read_text().splitlines() if line]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert queue(ready)["waiting"] == []


def test_a_test_shows_what_the_executable_said(ready: Root, hooks: Path) -> None:
    script(hooks / "good", "echo fine; printf '\\033[2Jthat\\n'")
    script(hooks / "bad", "echo no route; exit 7")
    done = ready.run("notify", "--test")
    assert done.code == ExitCode.FAILED
    assert done.out.splitlines() == [
        "bad: exit code 7: no route",
        "    no route",
        "good: sent",
        "    fine",
        "    \\x1b[2Jthat",
    ]
    only = ready.run("--json", "notify", "--test", "good")
    assert only.code == ExitCode.DONE
    assert only.json["tested"] == [{"name": "good", "error": None, "output": ["fine", "\x1b[2Jthat"]}]
    wrong = ready.run("notify", "--test", "god")
    assert wrong.code == ExitCode.USAGE
    assert "livefw notify --list" in wrong.err


def test_without_executables(ready: Root) -> None:
    assert ready.run("notify").out.startswith("no executable in")
    assert ready.run("notify", "--test").code == ExitCode.NOTHING_TO_DO


def test_what_is_not_run_is_shown_with_why(ready: Root, hooks: Path) -> None:
    script(hooks / "open", "exit 0").chmod(0o777)
    script(hooks / "name.sh", "exit 0")
    (hooks.parent / "livefw.toml").write_text("[notify.hook.mial]\nevents = ['failed']\n")
    done = ready.run("notify")
    assert "open: " in done.out
    assert "other than its owner may write" in done.out
    assert "may contain only letters, digits" in done.out
    assert "notify.hook.mial in livefw.toml: there is no executable of that name" in done.out
    assert max(map(len, done.out.splitlines()[:3])) <= 80
    shown = ready.run("--json", "notify").json
    assert [hook["name"] for hook in shown["hooks"]] == ["name.sh", "open"]
    assert shown["absent"] == ["mial"]


def test_what_waits_is_for_its_owner_alone(ready: Root, hooks: Path) -> None:
    script(hooks / "keep", "exit 1")
    ready.run("activate", "--all")
    folder = Path(ready.environment["LIVEFW_STATE"]) / "notify"
    assert [each for each in (folder, *folder.iterdir()) if each.stat().st_mode & 0o077] == []


def test_the_policy_names_no_component_for_an_executable(ready: Root, hooks: Path) -> None:
    (hooks.parent / "livefw.toml").write_text("[notify.hook.mail]\nevents = ['failed']\ncomponents = ['tf-rmm']\n")
    done = ready.run("policy")
    assert 'notify.hook.mail.components = ["tf-rmm"]' in done.out
    assert "no component here" not in done.out
    assert ready.run("policy", "--check").code == ExitCode.DONE


# The examples, against servers on loopback


EVENT_WORDS = ("unknown", "TF-RMM")


def installed(name: str, hooks: Path, settings: str, mode: int = 0o600) -> None:
    shutil.copy(EXAMPLES / name, hooks / name)
    (hooks / name).chmod(0o755)
    file = hooks.parent / f"{name}.toml"
    file.write_text(settings)
    file.chmod(mode)


def sent(ready: Root) -> tuple[int, dict[str, Any]]:
    """Activate, and send in the foreground."""
    environment = ready.environment | {"LIVEFW_NOTIFY": "queue"}
    subprocess.run(ready.command("activate", "--all"), env=environment, capture_output=True, check=False)
    done = ready.run("--json", "notify", "--send")
    (hook,) = done.json["hooks"]
    return done.code, hook


class _Smtp(socketserver.StreamRequestHandler):
    """As much of a mail server as one mail needs."""

    mails: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split(b":")[0].split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (each := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(each)
                self.mails.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_mail_by_smtp(ready: Root, hooks: Path) -> None:
    with serving(socketserver.TCPServer(("127.0.0.1", 0), _Smtp)) as server:
        port = server.server_address[1]
        installed("mail", hooks, f"to = ['root@x']\nsender = 'l@x'\nsmtp = '127.0.0.1:{port}'")
        assert sent(ready)[0] == ExitCode.DONE
    mail = message_from_string(_Smtp.mails.pop(), policy=default)
    assert mail["To"] == "root@x"
    assert all(word in mail["Subject"] for word in EVENT_WORDS)
    assert mail["X-Priority"] == "1"


def test_mail_by_sendmail(ready: Root, hooks: Path, tmp_path: Path) -> None:
    script(tmp_path / "sendmail", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/mail')
    installed("mail", hooks, f"to = ['root@x']\nsender = 'l@x'\nsendmail = '{tmp_path}/sendmail'")
    assert sent(ready)[0] == ExitCode.DONE
    assert (tmp_path / "words").read_text() == "-t -i\n"
    mail = message_from_string((tmp_path / "mail").read_text(), policy=default)
    assert all(word in mail["Subject"] for word in EVENT_WORDS)


@pytest.mark.parametrize("name", ["evil\nBcc: all@x", "evil\r\n\r\nbody", "$(reboot) `reboot`", "\x00\x1b[2J"])
def test_a_name_of_the_firmware_is_no_header_and_no_command(
    ready: Root, hooks: Path, tmp_path: Path, name: str
) -> None:
    ready.file("/etc/livefw/livefw.toml").write_text("")
    script(tmp_path / "sendmail", f"cat > {tmp_path}/mail")
    installed("mail", hooks, f"to = ['root@x']\nsender = 'l@x'\nsendmail = '{tmp_path}/sendmail'")
    ready.run("notify", "--test")
    event = {**_event(), "name": name, "text": f"{name}: failed"}
    # As it comes from livefw: every text is one printable line.
    from livefw.text import printable

    event |= {"name": printable(name), "text": printable(event["text"])}
    subprocess.run([hooks / "mail"], input=json.dumps(event), text=True, check=True)
    mail = message_from_string((tmp_path / "mail").read_text(), policy=default)
    assert mail["Bcc"] is None
    assert mail["To"] == "root@x"


def _event() -> dict[str, Any]:
    from livefw.activation.notify.notice import Notice
    from livefw.activation.policy.notification import NotifyEvent

    return Notice(NotifyEvent.FAILED, "lfa:x", "x: failed").document(id="1", time_s=0, root="/")


class _Web(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    status = 200
    posts: ClassVar[list[tuple[Any, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((self.headers, json.loads(body)))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


class _Down(_Web):
    status = 503


class _Moved(_Web):
    status = 302


@pytest.mark.parametrize(("handler", "error"), [(_Web, None), (_Down, "503"), (_Moved, "302")])
def test_webhook(ready: Root, hooks: Path, handler: type[_Web], error: str | None) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), handler)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/x?key=s3cret"
        installed("webhook", hooks, f"url = '{url}'\ntoken = 't0ken'")
        code, hook = sent(ready)
    headers, event = _Web.posts.pop()
    assert _Web.posts == []
    assert headers["Authorization"] == "Bearer t0ken"
    assert event["event"] == "unknown"
    assert headers["Idempotency-Key"] == event["id"]
    assert (code == ExitCode.DONE) is (error is None)
    if error:
        assert error in hook["last_error"]
    assert "s3cret" not in json.dumps(hook)


def test_webhook_for_chat(ready: Root, hooks: Path) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), _Web)) as server:
        installed("webhook", hooks, f"url = 'http://127.0.0.1:{server.server_address[1]}/'\ntext = true")
        assert sent(ready)[0] == ExitCode.DONE
    _, body = _Web.posts.pop()
    assert body.keys() == {"text"}


@pytest.mark.parametrize(
    ("settings", "mode", "error"),
    [
        ("url = 'http://127.0.0.1:1/'", 0o600, "cannot be reached"),
        ("url = 'http://127.0.0.1:1/'", 0o644, "may read it"),
        ("url = 'file:///etc/shadow'", 0o600, "must begin with https://"),
    ],
)
def test_webhook_that_cannot(ready: Root, hooks: Path, settings: str, mode: int, error: str) -> None:
    installed("webhook", hooks, settings, mode)
    code, hook = sent(ready)
    assert code == ExitCode.FAILED
    assert error in hook["last_error"]
    assert hook["waiting"] == 1


def test_watch_sends_what_becomes_pending(ready: Root, hooks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "got")
    script(hooks / "keep", f"cat > {tmp_path}/got")
    watch = ready.start("watch", "--interval", "3600")
    try:
        event = json.loads((tmp_path / "got").read_text())
        assert ready.run("notify", "--send").code == ExitCode.DONE  # waits for the sender to note that it was taken
    finally:
        watch.terminate()
        watch.communicate()
    assert (event["event"], event["name"]) == ("pending", "TF-RMM")
    script(hooks / "keep", f"touch {tmp_path}/again")
    again = ready.start("watch", "--interval", "3600")
    assert again.stdout
    again.stdout.readline()
    again.terminate()
    again.communicate()
    assert queue(ready)["waiting"] == []
    assert not (tmp_path / "again").exists()


def test_the_lines_of_watch_begin_with_what_is_there(ready: Root) -> None:
    watch = ready.start("watch", "--interval", "3600")
    assert watch.stdout
    lines = [watch.stdout.readline() for _ in range(3)]
    watch.terminate()
    rest = watch.communicate()[0]
    assert re.fullmatch(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \S+  " + re.escape(str(ready.path)) + "\n", lines[0])
    assert lines[1].split("  ", 1)[1] == "watching 1 component, 1 pending\n"
    assert lines[2].split("  ", 1)[1] == "TF-RMM: an image is pending (1.2); cost: stops all CPUs\n"
    assert rest == ""
