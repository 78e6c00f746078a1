"""What a model said, made fit to be read: no thinking, no control characters, no broken text."""

import re

_OPENING = ("<think>", "<thinking>", "<thought>", "[THINK]")
_CLOSING = re.compile(r"</think(?:ing)?>|</thought>|\[/THINK\]")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# llama-swap may tell of a model's load inside the answer.
_LOADING = re.compile(r"\A\s*━+\s*llama-swap loading model.*?Done! \([^)]*\)\s*━+\s*", re.DOTALL)


def cleaned(text: str) -> str:
    """The answer alone; empty when the model only thought."""
    answer = _without_thinking(_LOADING.sub("", text.replace("\r\n", "\n")))
    return well_formed(_CONTROL.sub("", answer)).strip()


def well_formed(text: str) -> str:
    """`text` without lone surrogates, which JSON can carry but a strict reader refuses."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def footer(
    who: str, prompt_tokens: int | None, answer_tokens: int | None, seconds: float, kept_bytes: int = 0
) -> str:
    """The last line of a result: who answered, tokens in and out where known, the time.

    `who` is a model and its backend, or several; `kept_bytes` is how much was read without Claude reading it.
    """
    tokens = [
        f"{number:,} {way}"
        for number, way in ((prompt_tokens, "in"), (answer_tokens, "out"))
        if number is not None
    ]
    parts = [who, f"tokens: {', '.join(tokens)}" if tokens else "", f"{seconds:.1f} s"]
    parts.append(f"{size(kept_bytes)} kept out of your context" if kept_bytes else "")
    return f"[{' · '.join(part for part in parts if part)}]"


def size(number: int) -> str:
    """A number of bytes as people say it: 812 bytes, 41 kB, 3.2 MB."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1000:.0f} kB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"


def _without_thinking(text: str) -> str:
    opened = text.lstrip().startswith(_OPENING)
    closing = _CLOSING.search(text)
    if closing is None:
        return "" if opened else text  # a model that was stopped while it thought
    thought = text[: closing.start()]
    if opened or "<" not in thought:  # some chat templates open the block themselves
        return text[closing.end() :]
    return text
