"""Faults in how Claude is paid for: proxies, keys, other programs that use a subscription."""

from bench import Bench, Fault, Faults
from subscribers import KEY, TOKEN, log_in

from supervisor_setup.findings import Status


def _variable(bench: Bench, name: str, value: str) -> None:
    log_in(bench)
    bench.edit(bench.home.settings, env={name: value})


def _backend(bench: Bench) -> None:
    backend = bench.home.json(bench.home.config)["backends"][0]["url"]
    bench.set_variable("ANTHROPIC_BASE_URL", f"{backend}/anthropic")


FAULTS: Faults = {
    "policy.base-url": (
        Fault(lambda bench: _variable(bench, "ANTHROPIC_BASE_URL", "http://proxy:4000"), Status.WARNING),
        Fault(lambda bench: _variable(bench, "ANTHROPIC_AUTH_TOKEN", "x"), Status.WARNING),
        Fault(_backend, Status.WARNING),
    ),
    "policy.api-key": Fault(lambda bench: _variable(bench, "ANTHROPIC_API_KEY", KEY), Status.WARNING),
    "policy.harness": (
        Fault(
            lambda bench: bench.write(
                bench.home.path / ".local/share/opencode/auth.json", {"anthropic": {"type": "oauth"}}
            ),
            Status.WARNING,
        ),
        Fault(
            lambda bench: bench.write(bench.home.path / ".claude-code-router/config.json", {}), Status.INFO
        ),
    ),
    "policy.oauth-in-proxy": Fault(
        lambda bench: bench.write(
            bench.project / "litellm_config.yaml", f"model_list:\n  - litellm_params: {{api_key: {TOKEN}}}\n"
        ),
        Status.WARNING,
    ),
}
