"""The values in the client's settings: of which the client ignores more than it says."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from supervisor_setup import client_facts
from supervisor_setup.checks import installed_client, settings_schema
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import Level, SettingsFile, project_settings_files
from supervisor_setup.checks.documents import Document, State
from supervisor_setup.checks.settings_schema import Effect, Fault
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

_ALL = "the client ignores the whole file without a word, deny rules included"
_MOST_TOLD = 20
_IMPORTANT = (
    "permissions",
    "env",
    "model",
    "hooks",
    "availableModels",
    "apiKeyHelper",
    "statusLine",
)
"""Top-level keys whose misspelling changes what Claude may do, or on which model it runs."""
_IN_PERMISSIONS = ("allow", "ask", "deny", "additionalDirectories", "defaultMode")


def schema(world: World) -> Iterator[Finding]:
    """A key of the settings has a value of the wrong kind, or a misspelt name.

    For most keys the client ignores the whole settings file because of that, without a word, so that its deny
    rules no longer hold; for a few it ignores that value alone. Which is which was measured on 2.1.197 and
    2.1.330, key by key, and stands in client-settings.schema.json. A name that it does not know it ignores.

    Mend: give the key a value of the kind that is named, or remove it.
    """
    for one in project_settings_files(world):
        document = world.document(one.path)
        if document.state is State.GOOD:
            for fault in islice(settings_schema.faults(document.value), _MOST_TOLD):
                yield from _told(world, one, document, fault)
            yield from _misspelt(document)


def _told(world: World, settings: SettingsFile, document: Document, fault: Fault) -> Iterator[Finding]:
    version = installed_client.installed(world).version
    effects = {one: fault.effect(one) for one in client_facts.nearest(version)}
    newer = version is not None and version not in client_facts.measured() and len(effects) == 1
    status, consequence = _consequence(effects, by_measured=newer and not fault.of_kind)
    if settings.level is Level.MANAGED and status is not None:
        status = Status.WARNING
        consequence = "the client leaves that policy out, and says so at its start"
    if status is not None:
        what = f"`{fault.title}`" if fault.place else "the file"
        yield Finding(
            "settings.schema",
            status,
            f"{what} {fault.what}; {consequence}",
            path=document.path,
            line=document.line_of(*fault.keys) if fault.keys else 1,
            hint=_hint(fault, document),
        )


def _consequence(effects: Mapping[str, Effect], *, by_measured: bool) -> tuple[Status | None, str]:
    """How bad it is and what happens; `by_measured` for what a version after the measured ones may know."""
    ignoring = [version for version, effect in effects.items() if effect is Effect.IGNORES_FILE]
    if len(ignoring) == len(effects) and not by_measured:
        return Status.ERROR, _ALL
    if ignoring:
        names = " and ".join(ignoring)
        verb = "ignores" if len(ignoring) == 1 else "ignore"
        return Status.WARNING, f"{names} {verb} the whole file without a word, deny rules included"
    if Effect.IGNORES_KEY in effects.values():
        return Status.WARNING, "the client ignores it"
    return None, ""


def _hint(fault: Fault, document: Document) -> str:
    if document.at(*fault.keys) in ("true", "false"):
        return f"write {document.at(*fault.keys)} there without quotes"
    return f"mend or remove {fault.title}" if fault.place else "put an object there: {}"


def _misspelt(document: Document) -> Iterator[Finding]:
    if not isinstance(document.value, Mapping):
        return
    known = settings_schema.schema()["properties"]
    yield from _near_names(document, (), _IMPORTANT, known)
    yield from _near_names(document, ("hooks",), tuple(known["hooks"]["properties"]), {})
    for key in _IN_PERMISSIONS:
        if key in document.value and key not in document.mapping("permissions"):
            yield _name_finding(document, (key,), f"belongs into `permissions`: permissions.{key}")


def _near_names(
    document: Document, place: tuple[str, ...], meant: tuple[str, ...], known: Mapping[str, object]
) -> Iterator[Finding]:
    """Names that differ from a known one by case, hyphens or a plural only: they can be nothing else."""
    present = document.mapping(*place)
    free = {_bare(name): name for name in meant if name not in present}
    for key in present:
        if key not in known and key not in meant and _bare(key) in free:
            yield _name_finding(document, (*place, key), f"is probably meant to be `{free[_bare(key)]}`")


def _bare(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower().removesuffix("s")


def _name_finding(document: Document, place: tuple[str, ...], what: str) -> Finding:
    return Finding(
        "settings.schema",
        Status.WARNING,
        f"`{settings_schema.written(place)}` {what}; the client does not know it there and ignores it",
        path=document.path,
        line=document.line_of(*place),
        hint="rename or move it",
    )


CHECKS = (Check("settings.schema", schema),)
