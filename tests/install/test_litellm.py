"""litellm: what LiteLLM's config.yaml needs, merged into a file that is not ours."""

import json

import pytest

from litellm_file import (
    COMMENTED,
    DOCUMENTS,
    by_name,
    decisions,
    entry,
    tools_of,
    with_first,
    yaml,
)

# What it needs


def test_the_additions_are_printed_as_a_config_of_their_own(cli):
    printed = cli("litellm").out
    assert yaml(printed) == {"model_list": [entry("local-llama"), entry("local-coder")]}
    assert cli("--json", "litellm").json["yaml"] == printed


def test_a_second_source_stands_in_for_the_first(cli, two_sources):
    found = cli("--json", "litellm").json["additions"]
    gpu = {"api_base": "http://gpu:8080/v1", "api_key": "os.environ/GPU_KEY", "timeout": 300}
    attic = {
        "model": "ollama_chat/llama3.2",
        "api_base": "http://attic:11434",
        "num_ctx": 16384,
        "timeout": 0.5,
    }
    assert found["model_list"] == [
        {"model_name": "local-llama", "litellm_params": {"model": "openai/local-llama", **gpu}},
        {"model_name": "local-llama@attic", "litellm_params": attic},
        {"model_name": "local-coder", "litellm_params": {"model": "openai/local-coder", **gpu}},
    ]
    assert found["litellm_settings"] == {"fallbacks": [{"local-llama": ["local-llama@attic"]}]}


def test_a_server_without_a_key_is_not_asked_with_openais(cli, backends):
    backends({"name": "gpu", "kind": "openai", "url": "http://gpu:8080"})
    params = cli("--json", "litellm").json["additions"]["model_list"][0]["litellm_params"]
    assert params["api_key"] == "none"


def test_a_key_in_a_file_becomes_a_variable_that_is_said(cli, backends):
    backends({"name": "my-gpu", "kind": "openai", "url": "http://gpu", "api_key": {"file": "/keys/gpu"}})
    ran = cli("--json", "litellm").json
    params = ran["additions"]["model_list"][0]["litellm_params"]
    assert params["api_key"] == "os.environ/MY_GPU_API_KEY"
    (note,) = ran["notes"]
    assert "MY_GPU_API_KEY" in note
    assert "/keys/gpu" in note


def test_a_model_that_no_source_offers_is_said_beside_those_that_are(cli, backends):
    models = {"local-llama": "llama3.2"}
    backends({"name": "attic", "kind": "ollama", "url": "http://attic", "models": models})
    printed = cli("litellm").out
    assert printed.startswith("# note: local-coder: no backend")
    assert list(by_name(printed)) == ["local-llama"]


def test_the_model_of_a_disabled_tool_is_left_out(cli, backends):
    backends({"name": "gpu", "kind": "openai", "url": "http://gpu"}, ask_coding_model={"enabled": False})
    assert list(by_name(cli("litellm").out)) == ["local-llama"]


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([{"name": "proxy", "kind": "litellm", "url": "http://koala"}], "no enabled backend of kind"),
        (
            [{"name": "attic", "kind": "ollama", "url": "http://attic", "models": {"a": "b"}}],
            "none of local-ll",
        ),
    ],
)
def test_without_a_source_of_any_model_there_is_nothing_to_add(cli, backends, found, complaint, file):
    backends(*found)
    for command in (["litellm"], ["litellm", str(file), "--write", "--yes"]):
        err = cli(*command, code=1).err
        assert f"config.yaml: {complaint}" in err
        assert "hint:" in err
    assert not file.exists()


# Merged into a file


@pytest.mark.parametrize("before", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_merge_adds_once_changes_nothing_else_and_is_taken_out_without_a_trace(
    cli, file, theirs, two_sources, before
):
    theirs(before)
    had = yaml(before) or {}
    merged = cli("--json", "litellm", str(file), "--write", "--yes").json
    assert merged["changed"]
    after = file.read_bytes()
    wanted = cli("--json", "litellm").json["additions"]
    assert yaml(after)["model_list"] == [*(had.get("model_list") or []), *wanted["model_list"]]
    assert yaml(after)["litellm_settings"]["fallbacks"][-1:] == wanted["litellm_settings"]["fallbacks"]
    for key in had.keys() - {"model_list", "litellm_settings"}:
        assert yaml(after)[key] == had[key]
    for comment in (line for line in before.splitlines() if line.strip().startswith(b"#")):
        assert comment in after
    assert cli("litellm", str(file)).code == 0
    assert not cli("--json", "litellm", str(file), "--write", "--yes").json["changed"]
    assert file.read_bytes() == after
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == before


def test_a_look_shows_plan_and_difference_exits_with_2_and_changes_nothing(cli, file, theirs):
    theirs(COMMENTED)
    shown = cli("litellm", str(file), code=2).out
    assert "model_list local-llama" in shown
    assert "+- model_name: local-llama\n" in shown
    assert cli("litellm", str(file), "--write", "--dry-run").out == shown
    assert file.read_bytes() == COMMENTED


def test_a_file_that_does_not_exist_is_created_for_the_user_alone_and_goes_again(cli, file):
    assert "+- model_name: local-llama" in cli("litellm", str(file), code=2).out
    assert not file.parent.exists()
    cli("litellm", str(file), "--write", "--yes")
    assert file.read_text(encoding="utf-8") == cli("litellm").out
    assert file.stat().st_mode & 0o777 == 0o600
    cli("litellm", str(file), "--remove", "--yes")
    assert not file.parent.exists()


def test_a_file_of_the_users_keeps_its_mode_and_is_backed_up(cli, file, theirs):
    theirs(COMMENTED)
    file.chmod(0o640)
    backup = cli("--json", "litellm", str(file), "--write", "--yes").json["backup"]
    assert file.stat().st_mode & 0o777 == 0o640
    cli("restore", backup, "--yes")
    assert file.read_bytes() == COMMENTED


def test_a_change_of_config_yaml_is_followed(cli, file, theirs):
    theirs(COMMENTED)
    cli("litellm", str(file), "--write", "--yes")
    cli("config", "set", "backends.1.context_tokens", "32768")
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert set(decisions(ran).values()) == {"update"}
    assert by_name(file.read_bytes())["local-llama"]["num_ctx"] == 32768
    cli("config", "set", "tools.ask_coding_model.enabled", "false")
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"local-llama": "unchanged", "local-coder": "remove"}
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == COMMENTED


@pytest.mark.parametrize("before", [None, *DOCUMENTS.values()], ids=["none", *DOCUMENTS])
def test_parents_go_with_whichever_of_ours_goes_last(cli, file, theirs, before):
    if before is not None:
        theirs(before)
    cli("litellm", str(file), "--write", "--yes")
    for tool in tools_of("local-llama"):
        cli("config", "set", f"tools.{tool}.model", "another")
    cli("config", "set", "backends.1.models.another", "mistral")
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"another": "create", "local-coder": "unchanged", "local-llama": "remove"}
    cli("litellm", str(file), "--remove", "--yes")
    assert (file.read_bytes() if file.exists() else None) == before


def test_the_way_to_write_the_path_does_not_matter(cli, file, theirs, monkeypatch):
    theirs(COMMENTED)
    cli("litellm", str(file), "--write", "--yes")
    monkeypatch.chdir(file.parent)
    assert set(decisions(cli("--json", "litellm", "config.yaml")).values()) == {"unchanged"}
    cli("litellm", f"../{file.parent.name}/config.yaml", "--remove", "--yes")
    assert file.read_bytes() == COMMENTED


def test_a_link_to_the_file_stays_a_link(cli, file, theirs, tmp_path):
    theirs(COMMENTED)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    cli("litellm", str(link), "--write", "--yes")
    assert link.is_symlink()
    assert "local-llama" in by_name(file.read_bytes())


# What the user has or does


def test_an_equal_entry_of_the_users_stays_theirs(cli, file, theirs):
    before = theirs(with_first(entry()))
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"local-llama": "adopt", "local-coder": "create"}
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "params",
    [
        {"model": "openai/gpt-4o", "api_key": "sk-secret"},
        {"model": "openai/gpt-4o", "since": "2026-01-01"},
        {**entry()["litellm_params"], "timeout": 300.0},
    ],
    ids=["other", "with a date", "another number's type"],
)
def test_another_entry_of_that_name_is_kept_and_said(cli, file, theirs, params):
    item = {"model_name": "local-llama", "litellm_params": params}
    theirs(with_first(item).replace(b'"2026-01-01"', b"2026-01-01"))
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"local-llama": "keep-users", "local-coder": "create"}
    assert by_name(file.read_bytes())["local-llama"]["model"] == params["model"]
    assert "is yours, under a name that we would use; kept" in cli("litellm", str(file), code=2).out


def test_overwrite_replaces_it_and_a_removal_gives_it_back(cli, file, theirs, home):
    item = {"model_name": "local-llama", "litellm_params": {"model": "openai/x", "api_key": "sk-secret"}}
    before = theirs(with_first(item, b"# the end\n"))
    cli("litellm", str(file), "--write", "--overwrite", "--yes")
    assert by_name(file.read_bytes())["local-llama"] == entry()["litellm_params"]
    for manifest in (home.state / "manifests").iterdir():
        assert b"sk-secret" not in manifest.read_bytes()
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == before


def test_what_the_user_changed_since_is_kept(cli, file, theirs):
    theirs(COMMENTED)
    cli("litellm", str(file), "--write", "--yes")
    edited = file.read_bytes().replace(b"num_ctx: 8192", b"num_ctx: 65536", 1)
    file.write_bytes(edited)
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"local-llama": "keep-edited", "local-coder": "unchanged"}
    assert file.read_bytes() == edited
    ran = cli("--json", "litellm", str(file), "--remove", "--yes")
    assert decisions(ran) == {"local-llama": "keep-orphan", "local-coder": "remove"}
    assert by_name(file.read_bytes())["local-llama"]["num_ctx"] == 65536


def test_what_the_user_deleted_since_comes_back_with_the_next_merge(cli, file, theirs):
    theirs(COMMENTED)
    cli("litellm", str(file), "--write", "--yes")
    merged = file.read_bytes()
    theirs(COMMENTED)
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert set(decisions(ran).values()) == {"restore"}
    assert file.read_bytes() == merged


def test_fallbacks_of_the_users_for_the_same_model_are_kept(cli, file, theirs, two_sources):
    theirs(b"litellm_settings: {fallbacks: [{local-llama: [gpt]}]}\n")
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    kept = [one for one in ran.json["operations"] if one["decision"] == "keep-users"]
    assert [(one["pointer"], one["item"]) for one in kept] == [
        (["litellm_settings", "fallbacks"], "local-llama")
    ]
    assert yaml(file.read_bytes())["litellm_settings"] == {"fallbacks": [{"local-llama": ["gpt"]}]}


def test_several_entries_of_one_name_share_the_load_and_are_the_users(cli, file, theirs):
    before = theirs(with_first(entry(), b"- " + json.dumps(entry(api_base="http://b")).encode() + b"\n"))
    ran = cli("--json", "litellm", str(file), "--write", "--yes")
    assert decisions(ran) == {"local-llama": "keep-users", "local-coder": "create"}
    cli("litellm", str(file), "--remove", "--yes")
    assert file.read_bytes() == before
    err = cli("litellm", str(file), "--write", "--overwrite", "--yes", code=1).err
    assert f"{file}:3:1: stands here a second time" in err
    assert file.read_bytes() == before
