"""What doctor says of a subscription's token where a proxy gets it."""

from pathlib import Path

import pytest
from bench import Bench
from subscribers import KEY, PROXY, TOKEN, all_findings, the_finding, world

from supervisor_setup.checks import policy
from supervisor_setup.findings import Status

ACCOUNT = {"accountUuid": "1", "emailAddress": "a@example.org"}


@pytest.mark.parametrize(
    "name",
    ["litellm_config.yaml", "litellm/config.yaml", "config.yml", "proxy_config.yaml", "compose.yaml"],
)
def test_a_token_in_a_proxys_config_of_the_project_is_found(bench: Bench, name: str):
    path = bench.write(bench.project / name, f"# litellm\nmodel_list:\n- api_key: {TOKEN}\n")
    found = the_finding(bench)
    assert (found.id, found.status) == ("policy.oauth-in-proxy", Status.WARNING)
    assert (found.path, found.line) == (path, 3)


@pytest.mark.parametrize(
    "name",
    [
        ".config/litellm/config.yaml",
        ".litellm/config.yaml",
        "litellm_config.yaml",
        ".config/systemd/user/litellm.service",
    ],
)
def test_and_in_the_home(bench: Bench, name: str):
    path = bench.write(bench.home.path / name, f"[Service] litellm\nEnvironment=ANTHROPIC_API_KEY={TOKEN}\n")
    assert the_finding(bench).path == path


def test_and_where_litellm_is_told_to_look_or_we_have_merged(bench: Bench, tmp_path: Path):
    text = f"model_list: []\nkey: {TOKEN}\n"
    named = bench.write(tmp_path / "named.yaml", text)
    assert the_finding(bench, CONFIG_FILE_PATH=str(named)).path == named
    bench.install()
    merged = bench.write(tmp_path / "merged.yaml", text)
    bench.write(
        bench.home.config, {"backends": [{"name": "ollama", "kind": "ollama", "url": "http://127.0.0.1:1"}]}
    )
    bench.cli("litellm", str(merged), "--write", "--yes")
    assert the_finding(bench).path == merged


def test_a_config_that_is_not_a_proxys_or_has_it_in_a_comment_is_fine(bench: Bench):
    bench.write(bench.project / "config.yaml", f"token: {TOKEN}\n")
    bench.write(bench.project / "litellm.yaml", f"model_list:\n  # not {TOKEN}\n  - api_key: {KEY}\n")
    bench.write(bench.project / "litellm.yml", "model_list: [" + "x" * 100)
    assert all_findings(bench) == []


def test_a_variable_that_leads_to_a_token_is_found_where_the_config_names_it(bench: Bench):
    config = "model_list:\n- a: os.environ/MY_KEY\n- b: os.environ/ANTHROPIC_API_KEY\n"
    path = bench.write(bench.project / "litellm.yaml", config)
    assert all_findings(bench, MY_KEY=KEY) == []
    found = the_finding(bench, MY_KEY=TOKEN)
    assert (found.path, found.line) == (path, 2)
    assert "MY_KEY" in found.message


def test_the_clients_own_token_variable_is_found_even_when_it_is_not_set_here(bench: Bench):
    bench.write(bench.project / "compose.yml", "image: litellm\nK: ${CLAUDE_CODE_OAUTH_TOKEN}\n")
    assert the_finding(bench).line == 2


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("model_list:\n- a: os.environ/MY_KEY\n", True),
        ("image: litellm\nenv_file: .env\n", True),
        ("model_list:\n- a: os.environ/ANOTHER\n", False),
    ],
)
def test_a_dotenv_beside_a_config_counts_when_the_proxy_gets_it(bench: Bench, config: str, found: bool):
    bench.write(bench.project / "litellm.yaml", config)
    dotenv = bench.write(bench.project / ".env", f"A=b\nexport MY_KEY={TOKEN}\n")
    assert (dotenv, 2) in [(one.path, one.line) for one in all_findings(bench)] or not found
    assert bool(all_findings(bench)) == found


def test_litellms_default_key_in_a_dotenv_counts_for_models_of_anthropic(bench: Bench):
    bench.write(bench.project / ".env", f"ANTHROPIC_API_KEY={TOKEN}\n")
    config = bench.write(bench.project / "litellm.yaml", "model_list:\n- model: ollama/llama\n")
    assert all_findings(bench) == []
    config.write_text("model_list:\n- model: anthropic/claude-opus-5-5\n")
    assert the_finding(bench).path == bench.project / ".env"


def test_a_token_made_for_scripts_is_fine_alone(bench: Bench):
    bench.write(bench.home.path / ".profile", f"export CLAUDE_CODE_OAUTH_TOKEN={TOKEN}\n")
    assert all_findings(bench, CLAUDE_CODE_OAUTH_TOKEN=TOKEN) == []


@pytest.mark.parametrize("name", ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_a_token_in_a_variable_beside_a_base_url_goes_to_a_proxy(bench: Bench, name: str):
    seen = world(bench, ANTHROPIC_BASE_URL=PROXY, **{name: TOKEN})
    (found,) = policy.oauth_in_proxy(seen)
    assert found.message.startswith(
        f"{name} holds a subscription's token and goes to what ANTHROPIC_BASE_URL"
    )


def test_a_token_as_the_key_of_a_backend_goes_to_that_backend(bench: Bench):
    backend = {
        "name": "koala",
        "kind": "litellm",
        "url": "http://127.0.0.1:1",
        "api_key": {"env": "KOALA_KEY"},
    }
    bench.write(bench.home.config, {"backends": [backend]})
    found = the_finding(bench, KOALA_KEY=TOKEN)
    assert "your backend `koala`" in found.message
    bench.write(bench.home.config, {"backends": [{**backend, "enabled": False}]})
    assert all_findings(bench, KOALA_KEY=TOKEN) == []


def test_a_token_in_the_key_file_of_a_backend_goes_to_that_backend(bench: Bench, tmp_path: Path):
    key = bench.write(tmp_path / "key", f"{KEY}\n")
    backend = {"name": "koala", "kind": "litellm", "url": "http://127.0.0.1:1", "api_key": {"file": str(key)}}
    bench.write(bench.home.config, {"backends": [backend]})
    assert all_findings(bench) == []
    key.write_text(f"{TOKEN}\n", encoding="utf-8")
    found = the_finding(bench)
    assert (found.id, found.path, found.line) == ("policy.oauth-in-proxy", key, 1)
