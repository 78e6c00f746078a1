"""Under which name the client's state file knows a folder: its git repository, or the folder itself."""

from pathlib import Path


def of(folder: Path) -> Path:
    """The main work tree of the repository that `folder` lies in, `folder` itself outside of one."""
    for root in (folder, *folder.parents):
        mark = root / ".git"
        if mark.is_dir():
            return root
        if mark.is_file():
            return _main_tree(mark) or root
    return folder


def _main_tree(mark: Path) -> Path | None:
    """For a linked work tree, whose `.git` is a file, the work tree that it was added to.

    Only where that one's repository names this one in turn: nothing that was unpacked from an archive may
    pass for a part of a repository that its user trusts.
    """
    try:
        kind, _, where = _line(mark).partition(": ")
        own = mark.parent / where
        common = (own / _line(own / "commondir")).resolve()
        named = (own / _line(own / "gitdir")).resolve()
        inside = own.resolve().parent == common / "worktrees"
    except (OSError, ValueError):
        return None
    trusted = kind == "gitdir" and common.name == ".git" and inside and named == mark.resolve()
    return common.parent if trusted else None


def _line(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
