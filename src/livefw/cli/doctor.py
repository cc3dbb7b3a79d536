# SPDX-License-Identifier: Apache-2.0
"""``livefw doctor``."""

import argparse
from collections.abc import Iterator, Sequence

from livefw import assemble, libraries
from livefw.activation.checks import hooks
from livefw.activation.inventory import discovery, unmatched_patterns
from livefw.activation.paths import paths_for
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import KINDS, ExitCode, LivefwError, NotInstalled, UsageError
from livefw.files.host import settings_directory, unused_settings
from livefw.providers import registry
from livefw.providers.base import Finding, Provider, Reason, Severity
from livefw.text import printable

NOT_USED = Reason("settings-not-used", "settings that nobody asked for: {what}")
SKIPPED = Reason("check-skipped", "a file in checks.d is no check: {what}")
BROKEN = Reason("check-broken", "the check {name} stops every activation: {why}", "mend it, or ignore it: hook:NAME")
WRONG = Reason("settings-wrong", "livefw.toml cannot be used: {what}")
UNMATCHED = Reason(
    "pattern-unmatched", "{where}: '{pattern}' matches no component here{near}", "livefw list shows what is available"
)
NOT_INSTALLED = Reason(KINDS[NotInstalled].name, "{which_package_is_missing}: no {purpose}")


MANUAL = Manual(
    description=(
        (
            "Examine this machine and explain what was found: which mechanisms it has, why there are no components "
            "if there are none, which driver version the files look like and which of its known bugs matter. "
            "Nothing is changed."
        ),
    ),
    examples=(
        ("livefw doctor", "Examine this machine."),
        ("livefw --json doctor", "The same as one JSON document."),
    ),
    see_also=("list", "explain"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: CommandSession, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """Tell what each provider finds out about itself; to have told it is to be done, whatever it is."""
    providers = registry.providers(session.files())
    found = [(provider.name, finding) for provider in providers for finding in provider.diagnose()]
    if len(providers) > 1:  # a machine with something else is not wrong for having no LFA
        found = [(name, _eased(finding)) for name, finding in found]
    known = " ".join(finding.text for _, finding in found)
    found += [("livefw", finding) for finding in _missing() if finding.text.partition(":")[0] not in known]
    found += [("livefw", finding) for finding in (*_settings(session), *_policy(session, providers))]
    session.answer(
        lambda: "\n".join(_text(name, finding) for name, finding in found),
        lambda: {"findings": [{"provider": name, **finding._asdict()} for name, finding in found]},
    )
    return ExitCode.DONE


def _eased(finding: Finding) -> Finding:
    return finding._replace(severity=Severity.INFO) if finding.code in ("not-arm64", "no-driver") else finding


def _settings(session: CommandSession) -> Iterator[Finding]:
    """Settings of a tree that nobody asked for, and checks that are not run, or stop everything."""
    if line := unused_settings(session.root, session.settings):
        yield Finding(Severity.INFO, *NOT_USED.fill(what=line))
    for hook in hooks.find(settings_directory(session.root, session.settings)):
        if hook.skipped:
            yield Finding(Severity.INFO, *SKIPPED.fill(what=hook.skipped))
        elif hook.objection:
            broken = BROKEN.fill(name=hook.name, why=hook.objection)
            yield Finding(Severity.WARNING, *broken._replace(hint=f"mend it, or ignore it: hook:{hook.name}"))


def _policy(session: CommandSession, providers: Sequence[Provider]) -> Iterator[Finding]:
    """Mistakes in livefw.toml, and what in it means nothing here."""
    try:
        policy = assemble.policy(paths_for(session.root, settings=session.settings))
        here = discovery.take_inventory(providers)
    except UsageError as error:
        yield Finding(Severity.ERROR, *WRONG.fill(what=error.message)._replace(hint=error.hint))
    except LivefwError:
        pass  # what cannot be read is reported by its reader
    else:
        for each in unmatched_patterns.explain(unmatched_patterns.find(policy, here), here):
            yield Finding(Severity.WARNING, *UNMATCHED.fill(where=each.where, pattern=each.pattern, near=each.closest))


def _missing() -> Iterator[Finding]:
    """Packages that are not there, and what cannot be done for that."""
    for name, library in libraries.LIBRARIES.items():
        try:
            libraries.load(name)
        except NotInstalled as error:
            why = NOT_INSTALLED.fill(which_package_is_missing=error.message, purpose=library.purpose)
            yield Finding(Severity.INFO, *why._replace(hint=libraries.how(name)))


def _text(provider: str, finding: Finding) -> str:
    hint = f"\n         hint: {printable(finding.hint)}" if finding.hint else ""
    return f"{finding.severity:7}  {provider}: {printable(finding.text)}{hint}"
