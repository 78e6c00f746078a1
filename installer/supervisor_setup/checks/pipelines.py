"""Pipelines over many documents: is what they need installed?"""

from collections.abc import Iterator

from supervisor_setup import pipeline_skill
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status

EXTRA_CHECK = "pipeline.extra"


def extra(world: World) -> Iterator[Finding]:
    """The extra `orchestrate` is not installed, so there are no pipelines over many documents.

    Claude Code has no skill `document-pipeline` then, and scripts of your own only run by `uv run`. Where
    the skill was installed before, its script cannot start any more.

    Mend: install the extra where supervisor-setup is, then `install`; or set `pipeline.skill` to false in
    config.yaml when you do not want the skill.
    """
    if isinstance(world.config, UserError) or not world.config.pipeline.skill:
        return
    missing = ", ".join(pipeline_skill.missing())
    if not missing:
        yield Finding(EXTRA_CHECK, Status.OK, f"the extra `{pipeline_skill.EXTRA}` is installed")
        return
    from supervisor_setup.requirement import install_command  # 20 ms, where something is missing

    what = f"the extra `{pipeline_skill.EXTRA}` is not installed"
    hint = (
        f"{install_command(pipeline_skill.python())} && {world.layout.command} install; "
        f"or: {world.layout.command} config set pipeline.skill false"
    )
    if not _is_installed(world):
        yield Finding(EXTRA_CHECK, Status.SKIPPED, what, hint=hint)
        return
    what += f" ({missing} missing), so the skill {pipeline_skill.NAME} cannot run"
    yield Finding(EXTRA_CHECK, Status.WARNING, what, hint=hint)


def _is_installed(world: World) -> bool:
    return any(
        record.address.path.parent.name == pipeline_skill.NAME
        for where in world.installed
        if not isinstance(where.manifest, UserError)
        for record in where.manifest.records.values()
    )


CHECKS = (Check(EXTRA_CHECK, extra),)
