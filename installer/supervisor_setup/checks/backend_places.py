"""Where a model really runs: on machines of one's own, or at a cloud service."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor_setup.checks import tailnet
from supervisor_setup.checks.backend_probe import Probe

# LiteLLM's names for servers that one runs oneself; without an address it takes this machine for them.
_OWN_PROVIDERS = frozenset(
    (
        "custom",
        "custom_openai",
        "docker_model_runner",
        "hosted_vllm",
        "infinity",
        "lemonade",
        "litellm_proxy",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "oobabooga",
        "openai_like",
        "ramalama",
        "triton",
        "vllm",
        "xinference",
    )
)
_CLOUD_HOSTS = (
    "ai-gateway.vercel.sh",
    "ai.azure.com",
    "ai.cloud.ovh.net",
    "ai21.com",
    "aliyuncs.com",
    "anthropic.com",
    "api-inference.huggingface.co",
    "api-inference.modelscope.cn",
    "api.clarifai.com",
    "api.cloudflare.com",
    "api.friendli.ai",
    "api.hyperbolic.xyz",
    "api.lambda.ai",
    "api.llama.com",
    "api.scaleway.ai",
    "api.studio.nebius.com",
    "bigmodel.cn",
    "cerebras.ai",
    "cognitiveservices.azure.com",
    "cohere.ai",
    "cohere.com",
    "deepinfra.com",
    "deepseek.com",
    "fireworks.ai",
    "gateway.ai.cloudflare.com",
    "github.ai",
    "githubcopilot.com",
    "googleapis.com",
    "groq.com",
    "inference.api.nscale.com",
    "integrate.api.nvidia.com",
    "minimax.io",
    "minimaxi.com",
    "mistral.ai",
    "ml.cloud.ibm.com",
    "moonshot.ai",
    "moonshot.cn",
    "novita.ai",
    "ollama.com",
    "openai.azure.com",
    "openai.com",
    "openrouter.ai",
    "perplexity.ai",
    "poe.com",
    "replicate.com",
    "requesty.ai",
    "router.huggingface.co",
    "sambanova.ai",
    "siliconflow.cn",
    "siliconflow.com",
    "snowflakecomputing.com",
    "together.ai",
    "together.xyz",
    "volces.com",
    "voyageai.com",
    "x.ai",
    "z.ai",
)
# A machine that one rents at Amazon is one's own; its services for models are not.
_CLOUD_HOST = re.compile(r"(bedrock|runtime\.sagemaker)[a-z-]*\..*\.amazonaws\.com")
_OWN_SUFFIXES = (".local", ".lan", ".home", ".internal", ".intranet", ".home.arpa", ".ts.net", ".localhost")


def cloud(probe: Probe, name: str) -> str | None:
    """The cloud service at which a backend's model of this name runs; None for one of one's own."""
    if not _is_own(probe.host, probe.addresses) and _is_cloud(probe.host):
        return probe.host
    if probe.settings.kind == "ollama":
        return _behind_ollama(probe, name)
    if probe.settings.kind == "litellm":
        return next(_behind_litellm(probe, name), None)
    return None


def is_ollama_cloud(name: str) -> bool:
    """Whether Ollama runs the model of this name on its makers' machines: `:cloud`, or a tag ending so."""
    tag = name.lower().partition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")


def _behind_ollama(probe: Probe, name: str) -> str | None:
    for one in probe.records("/api/tags", "models"):
        remote = one.get("remote_host")
        if one.get("name") in (name, f"{name}:latest") and isinstance(remote, str) and remote:
            host = _host(remote) or remote
            return None if _is_own(host) else host
    return "ollama.com" if is_ollama_cloud(name) else None


def _behind_litellm(probe: Probe, name: str) -> Iterator[str]:
    """The cloud services among the places to which LiteLLM sends prompts for this name."""
    from fnmatch import fnmatchcase

    for one in probe.records("/model/info", "data"):
        params = one.get("litellm_params")
        wanted = one.get("model_name")
        if (
            isinstance(params, dict)
            and isinstance(wanted, str)
            and (wanted == name or fnmatchcase(name, wanted))
        ):
            place = _litellm_place(params)
            if place is not None:
                yield place


def _litellm_place(params: Mapping[str, Any]) -> str | None:
    model, address = params.get("model"), params.get("api_base")
    if not isinstance(model, str) or not model:
        return None
    prefix, slash, _ = model.partition("/")
    provider = str(params.get("custom_llm_provider") or (prefix if slash else ""))
    if provider in ("ollama", "ollama_chat") and is_ollama_cloud(model):
        return "ollama.com"
    host = _host(address) if isinstance(address, str) else None
    if host is not None:
        return None if _is_own(host) or not _is_cloud(host) else host
    if provider in _OWN_PROVIDERS or address:  # an address that names a variable says nothing
        return None
    return f"the service {provider}" if provider else f"the service of {model}"


def _host(address: str) -> str | None:
    from urllib.parse import urlsplit

    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_cloud(host: str) -> bool:
    lower = host.lower()
    if _CLOUD_HOST.fullmatch(lower):
        return True
    return any(lower == one or lower.endswith(f".{one}") for one in _CLOUD_HOSTS)


def _is_own(host: str, addresses: tuple[str, ...] = ()) -> bool:
    """Whether a host is on this machine, in a private network, or in a tailnet."""
    import ipaddress

    lower = host.lower().rstrip(".")
    if ("." not in lower and ":" not in lower) or lower.endswith(_OWN_SUFFIXES):
        return True
    for text in addresses or (lower,):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if not (address.is_private or address.is_loopback or tailnet.is_tailnet_address(text)):
            return False
    return True
