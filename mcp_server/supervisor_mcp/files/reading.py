"""One file as text, or why it is not read."""

import hashlib
import os
import stat
from collections.abc import Sequence

from supervisor_mcp.files import secret_names, secret_scan
from supervisor_mcp.files.confine import Outside, Root, opened
from supervisor_mcp.records import Record

_SNIFFED_BYTES = 8192
_READ_BYTES = 1 << 20
_GARBLED = 0.02
"""Share of undecodable characters from which a text is not UTF-8."""


class Source(Record):
    """A file that was read. `path` is for people, relative to its root; `sha256` is that of the bytes."""

    path: str
    text: str
    sha256: str
    size: int


class Skipped(Record):
    """A file or folder that was not read, and why, in half a sentence."""

    path: str
    reason: str


def read(root: Root, names: Sequence[str], *, max_bytes: int) -> Source | Skipped:
    """The file at `names` below `root`, opened so that no link leads out; at most `max_bytes` long."""
    path = "/".join(names)
    try:
        with opened(root, names) as (descriptor, real):
            if secret_names.is_secret(names) or secret_names.is_secret(real):
                return Skipped(path=path, reason="is named like a file of secrets")
            found = os.fstat(descriptor)
            reason = _unfit(found, max_bytes)
            data = b"" if reason else _bytes(descriptor, max_bytes)
    except Outside as error:
        return Skipped(path=path, reason=str(error))
    except OSError as error:
        return Skipped(path=path, reason=f"cannot be read ({error.strerror})")
    reason = reason or _unreadable(data, max_bytes)
    if reason:
        return Skipped(path=path, reason=reason)
    text = _decoded(data)
    if kind := secret_scan.found(text):
        return Skipped(path=path, reason=f"holds what looks like a secret ({kind})")
    return Source(path=path, text=text, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _unfit(found: os.stat_result, max_bytes: int) -> str | None:
    if stat.S_ISDIR(found.st_mode):
        return "is a folder"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_size > max_bytes:
        return f"has {found.st_size:,} bytes, more than the limit of {max_bytes:,}"
    return None


def _bytes(descriptor: int, max_bytes: int) -> bytes:
    """What is in it, a byte more than allowed at the most: it may have grown, or not tell its size."""
    data = b""
    while len(data) <= max_bytes:
        piece = os.read(descriptor, min(_READ_BYTES, max_bytes + 1 - len(data)))
        if not piece:
            break
        data += piece
    return data


def _unreadable(data: bytes, max_bytes: int) -> str | None:
    if len(data) > max_bytes:
        return f"has more than the limit of {max_bytes:,} bytes"
    if not data.strip():
        return "is empty"
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return "is binary" if b"\0" in data[:_SNIFFED_BYTES] and not wide else None


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    # An old file in a single-byte encoding is better read as one than full of holes.
    return data.decode("cp1252", "replace") if text.count("\ufffd") > _GARBLED * len(text) else text
