"""Where a model runs: on the user's own machines, or at a service. Pure functions of what servers tell.

Three answers, because two uses differ in the doubtful case: file contents go only to a model that is known to
be local, and a check warns only of one that is known not to be.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from supervisor_mcp.backends import cloud_services
from supervisor_mcp.records import Record

# LiteLLM's names for programs that run models on the machine at their address, or without one on LiteLLM's.
_OWN_PROVIDERS = frozenset(
    ("docker_model_runner", "lemonade", "llamafile", "lm_studio", "ollama", "ollama_chat", "oobabooga")
) | frozenset(("ramalama", "vllm", "xinference"))
# Its names for servers of a kind, which may stand anywhere: their address tells.
_ADDRESSED_PROVIDERS = frozenset(
    ("custom", "custom_openai", "hosted_vllm", "infinity", "openai", "openai_like", "text-completion-openai")
) | frozenset(("triton",))
# Another proxy: its address tells where that stands, and not where the model runs.
_PROXIES = frozenset(("litellm_proxy",))
_OWN_SUFFIXES = (".local", ".lan", ".home", ".internal", ".intranet", ".home.arpa", ".ts.net", ".localhost")
_TAILNET = "100.64.0.0/10"
_NUMBER = re.compile(r"\d+|0x[0-9a-f]+")


class Place(Record):
    """Whether a model runs on the user's own machines, None when that is not known, and `why`.

    `service` names the service that it runs at, when it is known not to.
    """

    local: bool | None
    why: str
    service: str = ""


def of_url(url: str) -> Place:
    """The place of a server by its address."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return of_host(host) if host else Place(local=None, why=f"{url} is not an address")


def of_host(host: str, addresses: Iterable[str] = ()) -> Place:
    """The place of a server by its host name, or by what that was resolved to."""
    lower = host.lower().rstrip(".")
    if _is_bare_name(lower) or lower.endswith(_OWN_SUFFIXES):
        return Place(local=True, why=f"{host} is a machine of this network")
    if all(_is_own_address(text) for text in tuple(addresses) or (lower,)):
        return Place(local=True, why=f"{host} is this machine or in a private network")
    if cloud_services.is_service(lower):
        return Place(local=False, why=f"{host} is a cloud service", service=host)
    return Place(local=None, why=f"{host} is not known to be a machine of the user's")


def of_litellm(params: Mapping[str, Any]) -> Place:
    """The place to which LiteLLM sends prompts, by the `litellm_params` that /model/info shows."""
    model, address = params.get("model"), params.get("api_base")
    if not isinstance(model, str) or not model:
        return Place(local=None, why="LiteLLM does not tell where it runs")
    prefix, slash, _ = model.partition("/")
    provider = str(params.get("custom_llm_provider") or (prefix if slash else ""))
    if provider in ("ollama", "ollama_chat") and is_ollama_cloud(model):
        return _at_service("ollama.com")
    if isinstance(address, str) and address:
        return _at_address(address, model, provider)
    if provider in _OWN_PROVIDERS:
        return Place(local=True, why=f"LiteLLM has it from {provider} on its own machine")
    if provider in _PROXIES or (provider in _ADDRESSED_PROVIDERS and provider != "openai"):
        return Place(local=None, why=f"LiteLLM does not tell the address of {model}")
    return _at_service(f"the service {provider}" if provider else f"the service of {model}")


def of_ollama(name: str, remote_host: object) -> Place:
    """The place of a model of an Ollama, by its name and the `remote_host` that /api/show tells of it."""
    if isinstance(remote_host, str) and remote_host:
        return of_url(remote_host if "://" in remote_host else f"https://{remote_host}")
    if is_ollama_cloud(name):
        return _at_service("ollama.com")
    return Place(local=True, why="Ollama runs it itself")


def is_ollama_cloud(name: str) -> bool:
    """Whether Ollama runs the model of this name on its makers' machines: `:cloud`, or a tag ending so."""
    tag = name.lower().partition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")


def farthest(found: Iterable[Place]) -> Place:
    """The place that a prompt may reach when it may go to any of these: a service before the unknown."""
    places = list(found)
    for local in (False, None):
        for place in places:
            if place.local is local:
                return place
    return places[0]


def _at_address(address: str, model: str, provider: str) -> Place:
    place = of_url(address if "://" in address else f"http://{address}")
    if address.startswith("os.environ/"):
        return Place(local=None, why=f"LiteLLM has the address of {model} from its environment")
    if place.local and provider not in _OWN_PROVIDERS | _ADDRESSED_PROVIDERS:
        why = f"what stands at {address} may hand prompts on to the service of {model}"
        return Place(local=None, why=why)
    return place


def _at_service(service: str) -> Place:
    return Place(local=False, why=f"it runs at {service}", service=service)


def _is_bare_name(host: str) -> bool:
    return "." not in host and ":" not in host and not _NUMBER.fullmatch(host)


def _is_own_address(text: str) -> bool:
    import ipaddress  # 2 ms, which the first call of a tool without files need not pay

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    in_tailnet = address.version == 4 and address in ipaddress.ip_network(_TAILNET)
    return address.is_private or address.is_loopback or address.is_link_local or in_tailnet
