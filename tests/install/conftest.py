"""What every home here has beside it."""

import os

import pytest


@pytest.fixture(autouse=True)
def client(tmp_path, own_home):
    """A client on PATH, without which no home is healthy."""
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.touch(0o755)
    # Not the test's own monkeypatch, which some tests undo half-way.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        yield
