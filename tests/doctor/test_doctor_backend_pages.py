"""What doctor says when something answers that is not the server of config.yaml, or is not well."""

import pytest
from backend_bench import KEY, KOALA, use
from bench import Bench
from fake_backend import litellm, ollama, openai

pytestmark = pytest.mark.usefixtures("only_planted_programs")


def test_a_healthy_backend_is_told_of_with_its_version(bench: Bench):
    page = {"status": "healthy", "litellm_version": "1.106.2"}
    backend = bench.new_backend(pages={"/health/readiness": (200, page)})
    use(bench, litellm(backend))
    said = bench.cli("--json", "doctor", "--check", "backend.reachable").json["findings"]
    assert [one["status"] for one in said] == ["ok"]
    assert f"litellm at {backend.url} (litellm 1.106.2): 2 models, " in said[0]["message"]


def test_a_server_that_speaks_plain_http_is_not_asked_with_tls(bench: Bench):
    backend = bench.new_backend()
    use(bench, {**litellm(backend), "url": backend.url.replace("http:", "https:")})
    found = bench.one("backend")
    assert "does not speak https on that port" in found["message"]
    assert found["hint"].endswith(f"config set backends.0.url {backend.url}")


@pytest.mark.parametrize(
    "said",
    [b"Client sent an HTTP request to an HTTPS server.\n", b"sent to HTTPS port"],
    ids=["go", "nginx"],
)
def test_a_server_that_wants_tls_is_recognised(bench: Bench, said: bytes):
    backend = bench.new_backend(pages=dict.fromkeys(("/", "/v1/models"), (400, said)))
    use(bench, litellm(backend))
    found = bench.one("backend")
    assert "speaks https on that port" in found["message"]
    assert "backends.0.url https://127.0.0.1" in found["hint"]


def test_a_server_that_wants_tls_and_hangs_up_is_recognised(bench: Bench, tls_port: int):
    use(bench, {**KOALA, "url": f"http://127.0.0.1:{tls_port}"})
    assert "speaks https on that port" in bench.one("backend")["message"]


def test_a_certificate_that_nobody_vouches_for_is_told_with_the_way_to(bench: Bench, tls_port: int):
    use(bench, {**KOALA, "url": f"https://127.0.0.1:{tls_port}"})
    found = bench.one("backend")
    assert "its certificate is not trusted" in found["message"]
    assert "SSL_CERT_FILE" in found["hint"]


def test_qdrant_is_recognised(bench: Bench):
    page = {"title": "qdrant - vector search engine", "version": "1.15.1"}
    use(bench, openai(bench.new_backend(models=None, pages={"/": (200, page)})))
    assert "is Qdrant" in bench.one("backend")["message"]


def test_a_web_page_is_recognised(bench: Bench):
    page = (200, b"<!DOCTYPE html><title>Router</title>")
    use(bench, openai(bench.new_backend(pages={"/": page, "/v1/models": page})))
    assert "shows a web page and answered with something that is not JSON" in bench.one("backend")["message"]


def test_a_redirect_is_said_to_be_one(bench: Bench):
    use(bench, openai(bench.new_backend(pages={"/v1/models": (301, b"")})))
    assert "sends its visitors to another address (HTTP 301)" in bench.one("backend")["message"]


def test_a_litellm_that_is_taken_for_ollama_is_recognised(bench: Bench):
    backend = bench.new_backend(key=KEY, pages={"/health/liveliness": (200, "I'm alive!")})
    use(bench, ollama(backend))
    found = bench.one("backend")
    assert "is LiteLLM, which is not of the kind ollama" in found["message"]
    assert found["hint"].endswith("config set backends.0.kind litellm")


def test_an_ollama_that_is_taken_for_litellm_is_recognised(bench: Bench):
    pages = {"/": (200, b"Ollama is running"), "/v1/models": (404, b"404 page not found")}
    backend = bench.new_backend(pages=pages)
    use(bench, litellm(backend))
    assert bench.one("backend")["hint"].endswith("config set backends.0.kind ollama")


def test_a_llama_swap_that_is_taken_for_ollama_is_recognised(bench: Bench):
    pages = {"/running": (200, {"running": []}), "/health": (200, b"OK"), "/api/tags": (404, b"")}
    use(bench, ollama(bench.new_backend(pages=pages)))
    assert "is llama-swap" in bench.one("backend")["message"]


def test_a_llama_cpp_that_loads_its_model_is_waited_for(bench: Bench):
    loading = (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    use(bench, openai(bench.new_backend(pages={"/v1/models": loading, "/health": loading})))
    assert "is still loading its model" in bench.one("backend")["message"]


def test_the_health_page_of_a_litellm_that_fails_is_quoted(bench: Bench):
    pages = {
        "/v1/models": (503, b"down"),
        "/health/liveliness": (200, "I'm alive!"),
        "/health/readiness": (503, {"detail": {"error": "Service Unhealthy (no database)"}}),
    }
    use(bench, litellm(bench.new_backend(pages=pages)))
    found = bench.one("backend")
    assert "failed with HTTP 503: down; its health page says: Service Unhealthy" in found["message"]


def test_an_unknown_server_that_fails_is_quoted(bench: Bench):
    use(bench, openai(bench.new_backend(pages={"/v1/models": (500, {"error": "out of cheese"})})))
    assert "failed with HTTP 500: out of cheese" in bench.one("backend")["message"]


def test_pages_are_asked_for_without_the_key(bench: Bench):
    bench.set_variable("THE_KEY", KEY)
    backend = bench.new_backend(pages={"/v1/models": (500, b"")})
    use(bench, openai(backend, api_key={"env": "THE_KEY"}))
    bench.one("backend")
    assert {one.path for one in backend.seen if "authorization" in one.headers} == {"/v1/models"}
