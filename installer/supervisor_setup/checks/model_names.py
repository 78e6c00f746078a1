"""Names of models: the families that stand behind aliases and ids."""

from supervisor_setup import secrets

FAMILIES = ("haiku", "sonnet", "opus", "fable")
_SEVERAL = {"best": frozenset({"opus", "fable"}), "opusplan": frozenset({"opus", "sonnet"})}
INHERIT = "inherit"
_KEYS = ("sk-", "Bearer ")
_LONGEST = 80


def bare(model: str) -> str:
    """A name as the client compares it: in lower case, without the mark of a long context."""
    return model.strip().lower().removesuffix("[1m]")


def family(model: str) -> str | None:
    """The family that an alias or an id names; None for a name that tells nothing."""
    name = bare(model)
    if name in _SEVERAL:
        return None
    return next((one for one in FAMILIES if one in name), None)


def families(asked: str) -> frozenset[str]:
    """The families that `asked` may mean; empty for a name that tells nothing."""
    one = family(asked)
    return _SEVERAL.get(bare(asked), frozenset({one} if one else ()))


def shown(text: str) -> str:
    """A name out of somebody's file for a message: one short line, and no key that got there by mistake."""
    line = " ".join(text.split())
    if line.startswith(_KEYS):
        return secrets.MASK
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
