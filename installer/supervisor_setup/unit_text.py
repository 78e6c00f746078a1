"""Texts in systemd's units: what is quoted and escaped, so that no value becomes a line of its own."""

import re


def word(text: str) -> str:
    """A word of a command line, where `$` begins a variable."""
    return value(text.replace("$", "$$"))


def value(text: str) -> str:
    """A text of its own: `%` begins a specifier, and what is no plain word is quoted."""
    text = text.replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$\[\]~-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(letter if letter >= " " else f"\\x{ord(letter):02x}" for letter in escaped) + '"'
