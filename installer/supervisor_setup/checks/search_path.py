"""Finds programs on PATH, as `shutil.which` does; `shutil` costs 3 ms, with the decompressors in it."""

import os


def which(name: str, path: str) -> str | None:
    """The first program of this bare name in the folders of `path`.

    An empty or relative folder is passed over: it means the working directory, and a repository that was just
    cloned may hold a `claude` of its own.
    """
    for folder in filter(os.path.isabs, path.split(os.pathsep)):
        found = os.path.join(folder, name)  # noqa: PTH118 - called for every folder of PATH
        if os.access(found, os.X_OK) and not os.path.isdir(found):  # noqa: PTH112 - as above
            return found
    return None
