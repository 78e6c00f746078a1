"""litellm: what it refuses, and how it gets on with everything else."""

import json
import os

import pytest

from litellm_file import (
    COMMENTED,
    by_name,
)

# Refusals


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (b"model_list:\n  - model_name: [a\ngeneral_settings: {}\n", "3:17: expected"),
        (b"model_list:\n- model_name: a\nmodel_list: []\n", '3:1: "model_list" stands here a second time'),
        (b"a: 1\nmodel_list: 5\n", "2:1: not a list"),
        (b"model_list: []\nlitellm_settings: off\n", "2:1: "),
        (b"a: b\nmodel_list: \xff\n", "2:13: not UTF-8"),
        (b"a: &a [1]\nmodel_list: *a\n", "2:13: this is an alias"),
        (b"model_list:\n- &a {model_name: local-llama, x: *a}\n", ""),
    ],
)
@pytest.mark.usefixtures("two_sources")
def test_what_must_not_be_guessed_at_is_refused_and_nothing_is_written(cli, home, file, broken, place):
    home.write(file, broken)
    for command in ([], ["--write", "--yes"], ["--write", "--overwrite", "--yes"]):
        err = cli("litellm", str(file), *command, code=1).err
        assert f"{file}:{place}" in err or (not place and f"{file} " in err)
        assert "hint:" in err
    assert file.read_bytes() == broken
    assert not home.state.exists()


def test_a_read_only_file_is_refused(cli, file, theirs):
    theirs(COMMENTED)
    file.chmod(0o444)
    assert f"{file}: is read-only" in cli("litellm", str(file), "--write", "--yes", code=1).err


@pytest.mark.parametrize(
    "arguments",
    [["--write"], ["--remove", "--yes"], ["x.yaml", "--write", "--remove"]],
    ids=" ".join,
)
def test_a_call_that_says_too_little_or_too_much_exits_with_2(cli, arguments):
    assert "--write and --remove" in cli("litellm", *arguments, code=2).err


@pytest.mark.parametrize("action", ["--write", "--remove"])
def test_without_a_terminal_it_needs_yes(cli, file, theirs, action):
    theirs(COMMENTED)
    assert f"litellm {file} {action} --yes" in cli("litellm", str(file), action, code=2).err
    assert file.read_bytes() == COMMENTED


# Beside everything else


def test_nothing_of_ours_is_nothing_to_remove(cli, file, theirs):
    theirs(COMMENTED)
    assert "Nothing to do" in cli("litellm", str(file), "--remove", "--yes").out
    assert file.read_bytes() == COMMENTED


def test_a_removal_needs_no_config(cli, file, theirs, home):
    theirs(COMMENTED)
    cli("litellm", str(file), "--write", "--yes")
    home.write(home.config, "broken: [")
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == COMMENTED


def test_an_uninstall_and_the_doctor_leave_it_alone(cli, file, theirs):
    theirs(COMMENTED)
    cli("install", "--yes")
    cli("litellm", str(file), "--write", "--yes")
    merged = file.read_bytes()
    cli("doctor", "--offline", "--strict")
    cli("uninstall", "--yes")
    assert file.read_bytes() == merged
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == COMMENTED


def test_a_run_that_fails_leaves_the_file_and_the_next_succeeds(cli, file, theirs, monkeypatch):
    theirs(COMMENTED)

    def full(_descriptor):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left" in cli("litellm", str(file), "--write", "--yes", code=1).err
    assert file.read_bytes() == COMMENTED
    cli("litellm", str(file), "--write", "--yes")
    assert "local-llama" in by_name(file.read_bytes())


def test_the_bundled_schema_says_the_default_that_is_used():
    from supervisor_mcp.settings import Backend
    from supervisor_setup import assets

    schema = json.loads((assets.templates() / "config.schema.json").read_bytes())
    described = schema["$defs"]["backend"]["properties"]["context_tokens"]["description"]
    assert f"{Backend(name='o', kind='ollama', url='http://o').context_tokens} when left out" in described
