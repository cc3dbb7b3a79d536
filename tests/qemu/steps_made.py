# SPDX-License-Identifier: Apache-2.0
"""The steps that are played: first those of test_driver.py, then what chance makes of a seed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.qemu.steps import BL31, BL33, LONG, NEWCOMER, NOBODY, RMM, ZERO, A, B, C, D, E, ModelPlayer, load

# What test_driver.py does, for this machine.

_BOOLEANS = ("x", "1", "0", "Y", "n", "t", "e", "d", "E", "D", "enable", "disable", "2", "maybe", "on", "off")


class Actions:
    """What the fixed steps are made of."""

    def __init__(self, player: ModelPlayer) -> None:
        self.player = player
        self.play = player.play

    def activate(self, guid: str) -> None:
        """Activate one, and look what it did to all."""
        self.play("write", f"{guid}/activate", "1\n")
        for each in self.player.guids():
            for name in ("last_error", "activation_pending", "current_version"):
                self.play("read", f"{each}/{name}")

    def fault(self, name: str, component: str | None = None, **more: Any) -> None:
        """Let something go wrong."""
        self.play("host", "fault", {"name": name, "component": component, **more})

    def stage(self, guid: str, version: str | None) -> None:
        """Bring an image, and see whether it is seen."""
        self.play("host", "stage", guid, version, True)
        self.play("read", f"{guid}/pending_version")
        self.play("read", f"{guid}/activation_pending")


def fixed(player: ModelPlayer, cpus: int) -> None:
    """All steps of driver.sh, and those of module.sh that are about order."""
    actions = Actions(player)
    player.play(*load(LONG))
    player.play("show")
    _settings(actions)
    _activations(actions)
    _changes(actions)
    two_writers(player, RMM, A)
    removal(player, RMM, "ACTIVATE")
    _on_one_cpu(actions, cpus)
    actions.fault("agent-gone")
    for name in ("activation_pending", "pending_version", "current_version"):
        player.play("read", f"{RMM}/{name}")
    player.play("write", f"{RMM}/activate", "1")
    player.play("write", f"{RMM}/cancel", "1")
    player.play("list")
    player.play("host", "clear")
    player.play("write", f"{RMM}/activate", "1")


def _settings(actions: Actions) -> None:
    play = actions.play
    for name in ("force_cpu_rendezvous", "auto_activate"):
        for word in (
            *["x", "1", "0", "Y", "n", "t", "e", "d", "E", "D", "enable", "disable", "2", "maybe", "on", "off"],
            "",
        ):
            play("write", f"{A}/{name}", f"{word}\n")
            play("read", f"{A}/{name}")
    for guid in (A, B, C, D, E):
        play("write", f"{guid}/force_cpu_rendezvous", "0\n")
    for path, text in ((f"{A}/name", "x"), (f"{A}/activate", "1\n"), (f"{A}/activate", ""), (f"{A}/cancel", "0\n")):
        play("write", path, text)
    play("read", f"{A}/activate")


def _activations(actions: Actions) -> None:
    play, stage, fault, activate = actions.play, actions.stage, actions.fault, actions.activate
    stage(A, "4.0")
    activate(RMM)
    activate(A)
    play("show")
    fault("auth-error", RMM, times=1)
    stage(RMM, "1.9")
    activate(RMM)
    fault("busy", RMM, function="ACTIVATE", times=3)
    activate(RMM)
    stage(RMM, "2.0")
    fault("activation-failed", RMM, times=1)
    activate(RMM)
    activate(RMM)
    stage(RMM, "2.1")
    fault("call-again", RMM, function="ACTIVATE", times=2)
    activate(RMM)
    play("host", "revive")
    for code in (None, "AUTH_ERROR", "BUSY"):
        stage(RMM, None)
        fault("one-cpu", RMM, cpu=0, code=code, times=1)
        activate(RMM)
    play("write", f"{B}/auto_activate", "on")
    stage(B, "2.0")
    stage(C, "3.0")
    play("host", "notify")
    play("show")
    fault("busy", C, function="PRIME", times=1)
    activate(C)
    for function in ("PRIME", "ACTIVATE"):
        stage(C, "3.1")
        fault("unknown-status", C, function=function, times=1)
        activate(C)


def _changes(actions: Actions) -> None:
    """Components that move, come and go, and die."""
    play, stage, fault, activate = actions.play, actions.stage, actions.fault, actions.activate
    stage(C, "3.5")
    fault("reorder-after", C)
    activate(C)
    stage(A, "5.0")
    fault("appear-after", A)
    activate(A)
    play("show")
    stage(NEWCOMER, "3.0")
    fault("vanish-after", NEWCOMER)
    play("write", f"{NEWCOMER}/force_cpu_rendezvous", "0")
    play("open", f"{NEWCOMER}/name")
    activate(NEWCOMER)
    play("again")
    stage(C, "4.0")
    fault("critical-error", C, times=1)
    activate(C)
    play("host", "revive")
    play("host", "clear")
    activate(BL31)
    activate(BL33)


def _on_one_cpu(actions: Actions, cpus: int) -> None:
    """See `LOOSE`."""
    play, stage, fault, activate = actions.play, actions.stage, actions.fault, actions.activate
    for cpu in range(1, cpus):
        play("cpu", cpu, "0")
    for name in ("lost-realms", "rmm-refuses", "secondary-refuses"):  # on one CPU there is no second
        play("host", "stage", RMM, None, True)
        fault(name, RMM)
        activate(RMM)
        play("host", "clear")
        play("host", "revive")
    play("write", f"{A}/force_cpu_rendezvous", "1\n")
    stage(A, "7.0")
    activate(A)
    for cpu in range(1, cpus):
        play("cpu", cpu, "1")
    play("write", f"{A}/force_cpu_rendezvous", "0\n")
    stage(RMM, "9.0")
    activate(RMM)


def two_writers(player: ModelPlayer, first: str, second: str) -> None:
    """The second is told to come later, and nothing is asked for it."""
    play = player.play
    play("host", "stage", first, None, True)
    play("host", "fault", {"name": "busy", "component": first, "function": "PRIME"})
    play("begin", f"{first}/activate", "first\n")
    play("until", f"{first}/last_error", "PRIME LFA_BUSY -2\n")
    play("write", f"{second}/activate", "second\n")
    play("read", f"{second}/last_error")
    play("read", f"{second}/activation_pending")
    play("host", "clear")
    play("end")
    play("read", f"{first}/last_error")


def removal(player: ModelPlayer, guid: str, function: str) -> None:
    """The module goes while somebody is in an activation."""
    play = player.play
    play("host", "stage", guid, None, True)
    play("host", "fault", {"name": "busy", "component": guid, "function": function})
    play("begin", f"{guid}/activate", "1\n")
    play("until", f"{guid}/last_error", f"{function} LFA_BUSY -2\n")
    play("unload")
    play("end")
    play("list")
    play("host", "clear")
    play(*load(LONG))


def loaded(player: ModelPlayer, cpus: int) -> None:
    """Nothing but the module."""
    player.play(*load(LONG))


# What chance does.

_TEXTS = (*_BOOLEANS, "1\n", "0\n", "y", "Y\n", "N", "oN\n", "OFF", "f", "maybe\n", "", "\n", " 1", "yes", "true", "\0",
          "1\0", "o", "of", "-1", "ä", "9" * 5000)  # fmt: skip
_READABLE = (
    "name", "current_version", "pending_version", "activation_capable", "activation_pending", "may_reset_cpu",
    "cpu_rendezvous", "force_cpu_rendezvous", "auto_activate", "last_error",
)  # fmt: skip
_COUNTED: tuple[dict[str, Any], ...] = (
    {"name": "auth-error"}, {"name": "no-memory"}, {"name": "device-error"}, {"name": "prime-code"},
    {"name": "prime-code", "code": "CRITICAL_ERROR"}, {"name": "activation-failed"},
    {"name": "activation-failed", "code": "NO_MEMORY"}, {"name": "critical-error"}, {"name": "cancel-refused"},
    *({"name": "busy", "function": name} for name in ("PRIME", "ACTIVATE", "CANCEL", "GET_INVENTORY", "GET_INFO")),
    *({"name": "call-again", "function": name} for name in ("PRIME", "ACTIVATE", "CANCEL")),
    *({"name": "unknown-status", "function": name, "code": code} for name in ("PRIME", "ACTIVATE", "CANCEL")
      for code in ("-99", "5", "-12", "0x7fffffff00000000", "AUTH_ERROR", "WRONG_STATE", "INVALID_ADDRESS")),
    {"name": "slow", "function": "PRIME", "ms": 20.0}, {"name": "slow", "function": "ACTIVATE", "ms": 20.0},
    {"name": "slow", "function": "GET_INVENTORY", "ms": 5.0},
)  # fmt: skip
_IN_PART: tuple[dict[str, Any], ...] = (
    {"name": "one-cpu"}, {"name": "one-cpu", "code": "BUSY"}, {"name": "one-cpu", "code": "AUTH_ERROR"},
)  # fmt: skip
_LASTING: tuple[dict[str, Any], ...] = (
    {"name": "vanish"}, {"name": "duplicate-guid"}, {"name": "inventory-error"}, {"name": "garbage-versions"},
    {"name": "inventory-error", "code": "BUSY"}, {"name": "pending-flips"}, {"name": "reserved-bits"},
    {"name": "notify-refused"},
)  # fmt: skip
_WITHOUT_COMPONENT: tuple[dict[str, Any], ...] = (
    {"name": "agent-gone"}, {"name": "agent-gone-32"}, {"name": "absurd-count"}, {"name": "absurd-count", "count": "0"},
    {"name": "absurd-count", "count": "1025"}, {"name": "absurd-count", "count": "9"}, {"name": "garbage-interface"},
    {"name": "garbage-interface", "count": "0x20003"}, {"name": "inventory-error"},
    {"name": "unknown-status", "function": "GET_INFO", "code": "7"},
)  # fmt: skip
_ENDLESS: tuple[dict[str, Any], ...] = (
    {"name": "endless-prime"}, {"name": "endless-activate"}, {"name": "busy", "function": "PRIME"},
    {"name": "busy", "function": "ACTIVATE"}, {"name": "call-again", "function": "PRIME"},
    {"name": "call-again", "function": "ACTIVATE"},
)  # fmt: skip
"""Without an end; only where whoever would have to wait is timed out at once."""


@dataclass(slots=True)
class Chance:
    """Makes steps by chance, which the model plays at once: what comes next depends on what it shows."""

    player: ModelPlayer
    rng: random.Random
    cpus: int
    short: bool = False
    """The module is loaded with `ZERO`."""
    faulty: int = 0
    """Steps until faults are cleared; 0 if there are none."""
    online: set[int] = field(default_factory=set)
    loaded: bool = True

    def __post_init__(self) -> None:
        self.online = set(range(self.cpus))

    def run(self, steps: int) -> None:
        """Play until there are so many steps."""
        kinds = [kind for kind, weight in self._weights() for _ in range(weight)]
        while len(self.player.steps) < steps:
            if self.faulty:
                self.faulty -= 1
                if not self.faulty:
                    self._clear()
            if not self.loaded and self.rng.random() < 0.4:
                self._reload()
            self.rng.choice(kinds)()

    def _weights(self) -> Iterator[tuple[Callable[[], None], int]]:
        yield self._read, 14
        yield lambda: self.player.play("show"), 1
        yield lambda: self.player.play("list"), 2
        yield self._set, 12
        yield self._odd, 6
        yield self._stage, 14
        yield self._activate, 18
        yield self._cancel, 6
        yield self._fault, 10
        yield self._notify, 5
        yield self._hotplug, 3
        yield self._two, 2
        yield self._remove, 1
        yield self._reload, 1

    def _guid(self) -> str:
        known = self.player.guids()
        strangers = [NOBODY] if not known or self.rng.random() < 0.03 else []
        return self.rng.choice(strangers or known)

    def _read(self) -> None:
        name = "count" if self.rng.random() < 0.04 else "version" if self.rng.random() < 0.02 else ""
        self.player.play("read", name or f"{self._guid()}/{self.rng.choice(_READABLE)}")

    def _set(self) -> None:
        name = self.rng.choice(("force_cpu_rendezvous", "auto_activate"))
        guid = self._guid()
        self.player.play("write", f"{guid}/{name}", self.rng.choice(_TEXTS))
        if self.rng.random() < 0.5:
            self.player.play("read", f"{guid}/{name}")

    def _odd(self) -> None:
        guid = self._guid()
        step = self.rng.choice(
            (
                ("read", f"{guid}/activate"),
                ("read", f"{guid}/cancel"),
                ("read", f"{guid}/nothing"),
                ("write", f"{guid}/{self.rng.choice(_READABLE[:7])}", "1"),
                ("write", f"{guid}/last_error", "none"),
                ("write", "version", "2.0"),
                ("write", "count", "0"),
                ("write", f"{guid}/activate", ""),
                ("write", f"{guid}/cancel", ""),
                ("open", f"{guid}/{self.rng.choice(_READABLE)}"),
                ("again",),
                ("again",),
            )
        )
        self.player.play(*step)

    def _stage(self) -> None:
        guids = [str(each.guid) for each in self.player.machine.platform.components()]
        guid = self.rng.choice([*guids, RMM, RMM])
        limit = self.rng.choice((3, 100, 1 << 16, (1 << 32) - 1))
        version = self.rng.choice((None, f"{self.rng.randint(0, limit)}.{self.rng.randint(0, limit)}"))
        self.player.play("host", "stage", guid, version, self.rng.random() < 0.95)
        if self.rng.random() < 0.3:
            faults = ["reorder-after", "reorder-after", "appear-after"]
            faults += ["vanish-after"] * 4 if guid == NEWCOMER else []
            name = self.rng.choice(faults)
            if name != "appear-after" or NEWCOMER not in guids:
                self.player.play("host", "fault", {"name": name, "component": guid})
        if self.rng.random() < 0.4:
            self.player.play("read", f"{guid}/{self.rng.choice(('activation_pending', 'pending_version'))}")

    def _calm(self) -> None:
        """See ``a CPU that comes late`` in `LOOSE`; and what would be repeated for `LONG` must not begin."""
        if self.player.machine.agent.state.in_progress and not self.short:
            self._complete()
        if len(self.online) > 1:
            for guid in self.player.guids():
                if guid not in (RMM, BL31, BL33) and self.player.text(f"{guid}/force_cpu_rendezvous") == "1\n":
                    self.player.play("write", f"{guid}/force_cpu_rendezvous", "0")

    def _complete(self) -> None:
        """Complete an activation whose writer was timed out; till then one of another kind is BUSY."""
        state, play = self.player.machine.agent.state, self.player.play
        self._clear()
        play("host", "revive")
        play("host", "stage", str(state.component), None, True)
        for cpu in sorted(self.online - {0}):
            play("cpu", cpu, "0")
        self.online = {0}
        play("write", f"{state.component}/force_cpu_rendezvous", "0" if state.skip else "1")
        play("write", f"{state.component}/activate", "1")

    def _activate(self) -> None:
        self._calm()
        platform = self.player.machine.platform
        waiting = [str(each.guid) for each in platform.components() if platform.is_activation_pending(each)]
        guid = self.rng.choice(waiting) if waiting and self.rng.random() < 0.6 else self._guid()
        self.player.play("write", f"{guid}/activate", self.rng.choice(("1\n", "1", "0", "no", "x" * 5000)))
        for name in self.rng.sample(_READABLE, self.rng.randint(0, 3)):
            self.player.play("read", f"{guid}/{name}")
        if self.rng.random() < 0.1:
            self.player.play("host", "revive")

    def _cancel(self) -> None:
        guid = self._guid()
        self.player.play("write", f"{guid}/cancel", self.rng.choice(("1\n", "0", "x")))
        self.player.play("read", f"{guid}/last_error")

    def _fault(self) -> None:
        components = [str(each.guid) for each in self.player.machine.platform.components()]
        pools: list[tuple[dict[str, Any], ...]] = [
            _COUNTED,
            _COUNTED,
            _IN_PART,
            _LASTING,
            _WITHOUT_COMPONENT,
            *([_ENDLESS, _ENDLESS] if self.short else []),
        ]
        pool = self.rng.choice(pools)
        request: dict[str, Any] = dict(self.rng.choice(pool))
        if pool is not _WITHOUT_COMPONENT:
            request["component"] = self.rng.choice(components)
        if pool in (_COUNTED, _IN_PART):
            request["times"] = self.rng.randint(1, 3)
        if pool is _IN_PART:
            self._fail_in_part(request)
            return
        self.player.play("host", "fault", request)
        self.faulty = self.faulty or self.rng.randint(2, 9)

    def _fail_in_part(self, request: dict[str, Any]) -> None:
        """Of what all CPUs activate: else any might be the one."""
        self._calm()
        request |= {"component": RMM, "cpu": self.rng.choice(sorted(self.online))}
        self.player.play("host", "fault", request)
        self.faulty = self.faulty or self.rng.randint(2, 9)
        self.player.play("host", "stage", RMM, None, True)
        self.player.play("write", f"{RMM}/activate", "1")
        for name in ("last_error", "current_version", "activation_pending"):
            self.player.play("read", f"{RMM}/{name}")

    def _clear(self) -> None:
        self.faulty = 0
        self.player.play("host", "clear")

    def _notify(self) -> None:
        self._calm()
        self.player.play("host", "notify")

    def _hotplug(self) -> None:
        if self.cpus == 1:
            return
        cpu = self.rng.randint(1, self.cpus - 1)  # CPU 0 has the interrupt of the notification
        self.player.play("cpu", cpu, "0" if cpu in self.online else "1")
        self.online ^= {cpu}

    def _two(self) -> None:
        guids = self.player.guids()
        if not self._undisturbed() or RMM not in guids:
            return
        self._calm()
        two_writers(self.player, RMM, self.rng.choice(guids))
        self.faulty = 0

    def _remove(self) -> None:
        if self._undisturbed() and RMM in self.player.guids():
            self._calm()
            removal(self.player, RMM, self.rng.choice(("PRIME", "ACTIVATE")))

    def _undisturbed(self) -> bool:
        """Whether a write can be made to wait."""
        if not self.loaded or self.short:
            return False
        self._clear()
        self.player.play("host", "revive")
        return True

    def _reload(self) -> None:
        if self.loaded:
            self.loaded = not self.player.play("unload")
        if self.rng.random() < 0.2:
            self.player.play("list")
        short = self.rng.random() < 0.3
        if self.player.play(*load(ZERO if short else LONG)):
            self.loaded, self.short = True, short
        if self.short is False and self.faulty:
            self._clear()  # what has no end would never end now


def made(seed: int, steps: int, *, cpus: int, release: str, begin: Callable[[ModelPlayer, int], None]) -> ModelPlayer:
    """What `begin` plays, and then what chance makes of the seed."""
    player = ModelPlayer(cpus, release)
    begin(player, cpus)
    Chance(player, random.Random(seed), cpus).run(steps)
    return player
