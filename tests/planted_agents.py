"""Agent files to plant a fault in."""

from pathlib import Path

HEALTHY = (
    "---\nname: helper\ndescription: Helps. Use when asked.\ntools: Read, Grep\nmodel: haiku\n---\n\nHelp.\n"
)


def plant(folder: Path, text: str | bytes, name: str = "helper.md") -> Path:
    """Write an agent file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def change(old: str, new: str) -> str:
    """A healthy file with one change."""
    assert old in HEALTHY
    return HEALTHY.replace(old, new, 1)
