"""Our own folders are those of the platform's rules."""

import sys

import pytest
from platformdirs import macos, unix

from supervisor_setup import folders


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("named", [None, "", "relative", "/elsewhere"])
def test_the_folders_are_those_that_platformdirs_names(own_home, monkeypatch, platform, named):
    monkeypatch.setattr(sys, "platform", platform)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        if named is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, named)
    dirs = {"linux": unix.Unix, "darwin": macos.MacOS}[platform]("supervisor-setup")
    assert (str(folders.config()), str(folders.state())) == (dirs.user_config_dir, dirs.user_state_dir)
