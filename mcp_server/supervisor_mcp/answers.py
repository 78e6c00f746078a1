"""What a model said, made fit to be read: no thinking, no control characters, no broken text."""

import re

_OPENING = ("<think>", "<thinking>")
_CLOSING = re.compile("</think(?:ing)?>")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def cleaned(text: str) -> str:
    """The answer alone; empty when the model only thought."""
    return well_formed(_CONTROL.sub("", _without_thinking(text.replace("\r\n", "\n")))).strip()


def well_formed(text: str) -> str:
    """`text` without lone surrogates, which JSON can carry but a strict reader refuses."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _without_thinking(text: str) -> str:
    opened = text.lstrip().startswith(_OPENING)
    closing = _CLOSING.search(text)
    if closing is None:
        return "" if opened else text  # a model that was stopped while it thought
    thought = text[: closing.start()]
    if opened or "<" not in thought:  # some chat templates open the block themselves
        return text[closing.end() :]
    return text
