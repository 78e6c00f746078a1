"""One file as text, or why it is not read."""

import codecs
import hashlib
import os
import stat
from collections.abc import Sequence

from supervisor_mcp.files import secret_names, secret_scan
from supervisor_mcp.files.confine import Outside, Root, opened
from supervisor_mcp.records import Record

_READ_BYTES = 1 << 20
_GARBLED = 0.02
"""Share of undecodable characters from which a text is not UTF-8; of control characters, not a text."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = dict.fromkeys((*range(9), 11, *range(14, 27), *range(28, 32), 127, 0xFFFD))


class Source(Record):
    """A file that was read. `path` is for people; `sha256` is that of the bytes, `size` their number.

    Lines in `text` end with a line feed and nothing else.
    """

    path: str
    text: str
    sha256: str
    size: int


class Skipped(Record):
    """A file or folder that was not read, and why, in half a sentence."""

    path: str
    reason: str


def read(root: Root, names: Sequence[str], path: str, *, max_bytes: int) -> Source | Skipped:
    """The file at `names` below `root`, which no link may lead to; at most `max_bytes` long."""
    try:
        with opened(root, names, follow=False) as (descriptor, _):
            found = os.fstat(descriptor)
            regular = stat.S_ISREG(found.st_mode)
            reason = unwanted(names, found.st_size, max_bytes=max_bytes) if regular else "is no longer a file"
            data = b"" if reason else _bytes(descriptor, max_bytes)
    except Outside as error:
        return Skipped(path=path, reason=str(error))
    except OSError as error:
        return Skipped(path=path, reason=unreadable(error))
    if reason is None and len(data) > max_bytes:
        reason = f"has more than the limit of {max_bytes:,} bytes"
    if reason is None and not data.strip():
        reason = "is empty"
    text = None if reason else decoded(data)
    if text is None:
        return Skipped(path=path, reason=reason or "is binary")
    if reason := secret_scan.objection(text):
        return Skipped(path=path, reason=reason)
    digest = hashlib.sha256(data).hexdigest()
    return Source(path=path, text=text.replace("\r\n", "\n"), sha256=digest, size=len(data))


def unwanted(names: Sequence[str], size: int, *, max_bytes: int) -> str | None:
    """Why a file with these names and bytes is not even opened; None when it may be."""
    if secret_names.is_secret(names):
        return "is named like a file of secrets"
    if size > max_bytes:
        return f"has {size:,} bytes, more than the limit of {max_bytes:,}"
    # What claims no length and still has contents is no file on a disk: /proc/self/environ holds API keys.
    return "is empty" if size == 0 else None


def unreadable(error: OSError) -> str:
    """Why opening failed, in half a sentence."""
    return f"cannot be read ({error.strerror})"


def _bytes(descriptor: int, max_bytes: int) -> bytes:
    """What is in it, a byte more than allowed at the most: it may have grown."""
    data = bytearray()
    while len(data) <= max_bytes:
        piece = os.read(descriptor, min(_READ_BYTES, max_bytes + 1 - len(data)))
        if not piece:
            break
        data += piece
    return bytes(data)


def decoded(data: bytes) -> str | None:
    """The text, None when it is none. What is not UTF-8 or UTF-16 is read as Windows-1252."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _text_only(data.decode(encoding, "replace").removeprefix("\ufeff"))
    if b"\0" in data:
        if data.count(0) < 0.4 * len(data):
            return None
        # UTF-16 without its mark: nearly every other byte of Western text is zero.
        little = data[::2].count(0) < data[1::2].count(0)
        return _text_only(data.decode("utf-16-le" if little else "utf-16-be", "replace"))
    text = data.decode("utf-8", "replace")
    if text.count("\ufffd") > _GARBLED * len(text):  # better read in an old encoding than full of holes
        text = data.decode("cp1252", "replace")
    return _text_only(text)


def _text_only(text: str) -> str | None:
    controls = len(text) - len(text.translate(_CONTROL))
    return None if controls > _GARBLED * len(text) else text
