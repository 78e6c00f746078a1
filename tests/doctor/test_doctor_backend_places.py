"""What doctor says of models that run elsewhere, and of the malicious releases of LiteLLM."""

from typing import Any

import pytest
from backend_bench import one_tool, packages
from bench import Bench
from fake_backend import litellm, ollama

from supervisor_mcp.settings import Backend
from supervisor_setup.checks import backend_places
from supervisor_setup.checks.backend_probe import Probe

pytestmark = pytest.mark.usefixtures("only_planted_programs")

PROVIDER_KEY = "sk-the-key-of-a-provider"


def through_litellm(bench: Bench, *params: object) -> list[dict[str, Any]]:
    """What doctor finds of a LiteLLM that serves the tool's model at these places."""
    data = [{"model_name": "local-llama", "litellm_params": one} for one in params]
    one_tool(bench, litellm(bench.new_backend(pages={"/model/info": (200, {"data": data})})))
    return bench.findings("backend")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"model": "gpt-5-mini"}, "the service of gpt-5-mini"),
        ({"model": "openai/gpt-5-mini", "api_base": "https://api.openai.com/v1"}, "api.openai.com"),
        ({"model": "anthropic/claude-haiku-5-5"}, "the service anthropic"),
        ({"model": "gemini/gemini-3-flash", "api_base": None}, "the service gemini"),
        ({"model": "azure/mine", "api_base": "https://mine.openai.azure.com"}, "mine.openai.azure.com"),
        ({"model": "openrouter/qwen/qwen3"}, "the service openrouter"),
        ({"model": "x", "custom_llm_provider": "groq"}, "the service groq"),
        ({"model": "ollama_chat/gpt-oss:120b-cloud", "api_base": "http://koala:11434"}, "ollama.com"),
        ({"model": "ollama/glm-5:cloud"}, "ollama.com"),
        ({"model": "openai/x", "api_base": "https://bedrock-runtime.eu-west-1.amazonaws.com"}, "bedrock"),
    ],
)
def test_a_cloud_model_behind_litellm_is_named(bench: Bench, params: dict[str, Any], place: str):
    (found,) = through_litellm(bench, params)
    assert (found["id"], found["status"]) == ("backend.cloud", "warning")
    assert f"local-llama on litellm runs at {place}" in found["message"]
    assert "leave your machines" in found["message"]


@pytest.mark.parametrize(
    "params",
    [
        {"model": "openai/x", "api_base": "http://127.0.0.1:8080/v1"},
        {"model": "openai/x", "api_base": "http://[::1]:8080/v1"},
        {"model": "openai/x", "api_base": "http://koala:8080/v1"},
        {"model": "openai/x", "api_base": "http://192.168.1.7:8080/v1"},
        {"model": "openai/x", "api_base": "http://100.101.102.103:8080/v1"},
        {"model": "openai/x", "api_base": "http://[fd7a:115c:a1e0::7]:8080/v1"},
        {"model": "anthropic/x", "api_base": "http://koala.tail1.ts.net:8080"},
        {"model": "openai/x", "api_base": "https://models.my-house.example"},
        {"model": "openai/x", "api_base": "https://ec2-1-2-3-4.compute-1.amazonaws.com"},
        {"model": "openai/x", "api_base": "os.environ/GPU_URL"},
        {"model": "ollama_chat/llama3.1:8b"},
        {"model": "hosted_vllm/x", "api_base": "http://gpu.lan:8000"},
        {"model": "lm_studio/x"},
        {"model": 5, "api_base": 7},
        {},
        None,
        "text",
    ],
)
def test_a_model_of_one_s_own_is_not(bench: Bench, params: Any):
    assert through_litellm(bench, params) == []


def test_one_of_several_places_is_enough(bench: Bench):
    own = {"model": "openai/x", "api_base": "http://koala:8080"}
    assert len(through_litellm(bench, own, {"model": "mistral/mistral-small"})) == 1


def test_other_models_of_the_proxy_are_nobody_s_business(bench: Bench):
    data = [{"model_name": "claude", "litellm_params": {"model": "anthropic/claude-opus-5-5"}}]
    one_tool(bench, litellm(bench.new_backend(pages={"/model/info": (200, {"data": data})})))
    assert bench.findings("backend") == []


def test_the_provider_s_key_is_never_shown(bench: Bench):
    (found,) = through_litellm(bench, {"model": "openai/gpt-5-mini", "api_key": PROVIDER_KEY})
    assert PROVIDER_KEY not in str(found)


def test_ollama_says_itself_which_models_run_elsewhere(bench: Bench):
    page = {"models": [{"name": "smart:latest", "remote_host": "https://ollama.com:443"}]}
    one_tool(
        bench,
        ollama(bench.new_backend(pages={"/api/tags": (200, page)}), models={"local-llama": "smart"}),
    )
    assert "smart on ollama runs at ollama.com" in bench.one("backend")["message"]


def test_another_ollama_in_the_house_is_not_the_cloud(bench: Bench):
    page = {"models": [{"name": "smart:latest", "remote_host": "http://koala:11434"}]}
    one_tool(
        bench,
        ollama(bench.new_backend(pages={"/api/tags": (200, page)}), models={"local-llama": "smart"}),
    )
    assert bench.findings("backend") == []


def test_a_model_whose_name_has_cloud_in_it_is_not(bench: Bench):
    backend = bench.new_backend(models=["cloudy:8b"])
    one_tool(bench, ollama(backend, models={"local-llama": "cloudy:8b"}))
    assert bench.findings("backend") == []


def test_a_backend_that_is_a_cloud_service_itself_is_named():
    far = Backend(name="groq", kind="openai", url="https://api.groq.com/openai")
    assert backend_places.cloud(Probe(0, far, ("104.18.40.36",)), "x") == "api.groq.com"
    assert backend_places.cloud(Probe(0, far, ("10.0.0.7",)), "x") is None  # a proxy of one's own


def test_an_address_that_is_no_url_says_nothing(bench: Bench):
    assert through_litellm(bench, {"model": "openai/x", "api_base": "http://[::1"}) == []


@pytest.mark.parametrize("page", ["/health/readiness", "/health/readiness/details"])
@pytest.mark.parametrize("version", ["1.82.7", "1.82.8"])
def test_a_proxy_of_a_malicious_release_is_an_error(bench: Bench, version: str, page: str):
    one_tool(bench, litellm(bench.new_backend(pages={page: (200, {"litellm_version": version})})))
    found = bench.one("backend")
    assert (found["id"], found["status"]) == ("backend.litellm-version", "error")
    assert f"runs LiteLLM {version}, which was published with code that steals keys" in found["message"]
    assert "replace every key" in found["hint"]


@pytest.mark.parametrize("version", ["1.82.6", "1.82.70", "1.83.0", "1.106.2", 5, None])
def test_a_proxy_of_another_release_is_healthy(bench: Bench, version: object):
    page = {"litellm_version": version}
    one_tool(bench, litellm(bench.new_backend(pages={"/health/readiness": (200, page)})))
    assert bench.findings("backend") == []


def test_a_malicious_release_on_this_machine_is_found_by_its_files(bench: Bench):
    found_in = packages(bench, "litellm-1.82.7.dist-info/METADATA")
    one_tool(bench, litellm(bench.new_backend()))
    found = bench.one("backend")
    assert found["path"] == str(found_in / "litellm-1.82.7.dist-info")
    assert "this is LiteLLM 1.82.7" in found["message"]


def test_the_file_that_python_runs_is_found_when_the_package_is_gone(bench: Bench):
    found_in = packages(bench, "litellm_init.pth")
    assert bench.one("backend.litellm-version")["path"] == str(found_in / "litellm_init.pth")


def test_a_healthy_release_on_this_machine_is_no_finding(bench: Bench):
    packages(bench, "litellm-1.106.2.dist-info/METADATA", "litellm_proxy_extras-1.82.7.dist-info/METADATA")
    assert bench.findings("backend.litellm-version") == []


def test_the_interpreter_of_a_script_leads_to_its_packages(bench: Bench):
    prefix = bench.bin.parent / "python"
    bench.write(prefix / "lib/python3.12/site-packages/litellm-1.82.8.dist-info/METADATA", "")
    program = bench.program("litellm", "")
    program.write_text(f"#!{prefix}/bin/python3 -s\n")
    assert "LiteLLM 1.82.8" in bench.one("backend.litellm-version")["message"]


@pytest.mark.parametrize("content", [b"", b"#!", b"#!/usr/bin/env python3\n", b"\x7fELF\0\xff", b"#!\xff\n"])
def test_any_other_program_called_litellm_is_left_alone(bench: Bench, content: bytes):
    (bench.bin / "litellm").write_bytes(content)
    assert bench.findings("backend.litellm-version") == []
