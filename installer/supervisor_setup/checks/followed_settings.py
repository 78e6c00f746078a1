"""The settings files that the client follows: those without a fault that makes it ignore them whole."""

from supervisor_setup import client_facts
from supervisor_setup.checks.client_files import Level, SettingsFile, settings_files
from supervisor_setup.checks.documents import Document, State
from supervisor_setup.checks.world import World


def followed(world: World) -> tuple[tuple[SettingsFile, Document], ...]:
    """Every settings file that steers the client here, the strongest last."""
    return world.memo.get("followed settings", lambda: tuple(_followed(world)))


def _followed(world: World) -> list[tuple[SettingsFile, Document]]:
    found = ((one, world.document(one.path)) for one in settings_files(world))
    return [
        (one, document)
        for one, document in found
        # Of an administrator's file it leaves out the faulty part alone.
        if document.state is State.GOOD and (one.level is Level.MANAGED or not _is_ignored(world, document))
    ]


def _is_ignored(world: World, document: Document) -> bool:
    """Whether every version of the client that may be this one ignores the whole file."""
    from supervisor_setup.checks import installed_client, settings_schema  # which is not asked of most runs

    versions = client_facts.nearest(installed_client.installed(world).version)
    return any(
        all(fault.effect(version) is settings_schema.Effect.IGNORES_FILE for version in versions)
        for fault in settings_schema.faults(document.value)
    )
