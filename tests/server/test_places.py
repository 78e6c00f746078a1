"""Where a model runs, judged by what servers tell of it."""

import pytest

from supervisor_mcp.backends import places
from supervisor_mcp.backends.places import Place


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "koala",
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "172.16.0.9",
        "192.168.1.20",
        "169.254.7.7",
        "fe80::1",
        "fd7a:115c:a1e0::5",
        "100.64.0.1",
        "100.127.255.254",
        "::ffff:192.168.1.20",
        "koala.local",
        "koala.lan",
        "koala.home.arpa",
        "koala.tail1234.ts.net",
        "KOALA.LOCAL.",
        "host.docker.internal",
    ],
)
def test_hosts_of_ones_own_network_are_local(host):
    assert places.of_host(host).local is True


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "134744072",  # 8.8.8.8, as some programs read it
        "0x08080808",
        "models.example.com",
        "local.example.com",
        "koala.local.example.com",
        "notopenai.com",
        "ec2-1-2-3-4.compute-1.amazonaws.com",
    ],
)
def test_hosts_that_may_be_anyones_are_not_known_to_be_local(host):
    assert places.of_host(host).local is None


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "api.anthropic.com",
        "ollama.com",
        "my-thing.openai.azure.com",
        "bedrock-runtime.us-east-1.amazonaws.com",
        "API.Groq.COM.",
    ],
)
def test_hosts_of_known_services_are_cloud(host):
    assert places.of_host(host) == Place(local=False, why=f"{host} is a cloud service", service=host)


def test_a_host_is_judged_by_what_it_was_resolved_to_when_that_is_known():
    assert places.of_host("models.example.com", ["10.0.0.5"]).local is True
    assert places.of_host("models.example.com", ["10.0.0.5", "8.8.8.8"]).local is None


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://[::1]:8080/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://[bad", None),
        ("", None),
        ("http://user@127.0.0.1.example.com", None),
        ("http://127.0.0.1@evil.example.com", None),
    ],
)
def test_an_address_is_judged_by_its_host(url, local):
    assert places.of_url(url).local is local


@pytest.mark.parametrize(
    ("params", "local"),
    [
        ({"model": "openai/smollm2", "api_base": "http://127.0.0.1:8080/v1"}, True),
        ({"model": "openai/qwen", "api_base": "http://koala:8080/v1"}, True),
        ({"model": "qwen", "custom_llm_provider": "openai", "api_base": "http://koala/v1"}, True),
        ({"model": "ollama_chat/llama3.1", "api_base": "http://100.100.1.1:11434"}, True),
        ({"model": "ollama/llama3.1"}, True),
        ({"model": "hosted_vllm/x", "api_base": "koala:8000"}, True),
        ({"model": "openai/gpt-4o"}, False),
        ({"model": "anthropic/claude-sonnet-5"}, False),
        ({"model": "gpt-4o"}, False),
        ({"model": "openai/x", "api_base": "https://api.together.xyz/v1"}, False),
        ({"model": "ollama_chat/gpt-oss:120b-cloud", "api_base": "http://koala:11434"}, False),
        ({"model": "openai/*"}, False),
        ({"model": "*"}, False),
        ({"model": "openai/x", "api_base": "https://models.example.com/v1"}, None),
        ({"model": "openai/x", "api_base": "os.environ/OPENAI_BASE"}, None),
        ({"model": "hosted_vllm/x"}, None),
        ({"model": "litellm_proxy/x"}, None),
        ({"model": "litellm_proxy/x", "api_base": "http://127.0.0.1:4001"}, None),
        ({"model": "azure/gpt-4o", "api_base": "http://10.0.0.5/apim"}, None),
        ({"model": "anthropic/claude-sonnet-5", "api_base": "http://127.0.0.1:9000"}, None),
        ({}, None),
        ({"model": 5}, None),
    ],
)
def test_a_model_behind_litellm_is_judged_by_its_provider_and_address(params, local):
    place = places.of_litellm(params)
    assert place.local is local
    assert place.why
    assert bool(place.service) is (local is False)


@pytest.mark.parametrize(
    ("name", "remote_host", "local"),
    [
        ("llama3.1:8b", None, True),
        ("llama3.1:8b", "", True),
        ("gpt-oss:120b-cloud", None, False),
        ("kimi-k2:cloud", None, False),
        ("cloud:7b", None, True),
        ("mine", "https://ollama.com:443", False),
        ("mine", "ollama.com", False),
        ("mine", "http://otherbox:11434", True),
        ("mine", "https://models.example.com", None),
    ],
)
def test_a_model_of_an_ollama_is_judged_by_its_tag_and_its_remote_host(name, remote_host, local):
    assert places.of_ollama(name, remote_host).local is local


def test_of_several_places_the_farthest_counts():
    here, there, unknown = (Place(local=local, why="x") for local in (True, False, None))
    assert places.farthest([here, here]) == here
    assert places.farthest([here, unknown]) == unknown
    assert places.farthest([here, unknown, there]) == there
