"""The pages on which servers of models say what they are and how they are: a server is known by them.

Read off LiteLLM 1.106 and llama.cpp themselves, and off the sources of llama-swap; Ollama's and Qdrant's are
documented. Pages asked for here without a key go to servers that may be somebody else's.
"""

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_mcp.backends import Backend
    from supervisor_mcp.backends.exchange import Reply
    from supervisor_mcp.backends.failures import Failure
    from supervisor_mcp.settings import Backend as BackendSettings

_KEYED_SECONDS = 2.5
_PAGE_SECONDS = 1.0
_ROOT, _HEALTH, _LIVE, _READY = "/", "/health", "/health/liveliness", "/health/readiness"
_RUNNING, _VERSION = "/running", "/api/version"
_KINDS: Mapping[str, str] = {
    "LiteLLM": "litellm",
    "Ollama": "ollama",
    "llama-swap": "openai",
    "llama.cpp": "openai",
}
_REDIRECT = re.compile(r"HTTP (30[12378])\b")
_PLAIN_HTTP = re.compile(
    r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|record layer failure", re.IGNORECASE
)
_WANTS_TLS = re.compile(r"HTTPS (?:port|server)", re.IGNORECASE)

Pages = Mapping[str, "Reply"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is the matter, to follow the backend's name.

    `setting` is the key of the backend in config.yaml that mends it, with `value`; where it is empty, `value`
    is the hint.
    """

    text: str
    setting: str
    value: str


def with_key(client: "Backend", paths: tuple[str, ...]) -> Mapping[str, Any]:
    """The JSON of those pages that answer, asked side by side with the backend's key."""
    from supervisor_setup.deadlines import all_at_once

    works = [partial(_keyed, client, path) for path in paths]
    found = all_at_once(works, _KEYED_SECONDS, late=None)
    return {path: page for path, page in zip(paths, found, strict=True) if page is not None}


def on_no_connection(url: str, failure: "Failure") -> Diagnosis | None:
    """Why there is no connection, where more can be said than the failure does."""
    if "certificate" in failure.text:
        return Diagnosis(failure.text, "", failure.hint)
    if url.startswith("https:") and _PLAIN_HTTP.search(failure.text):
        return Diagnosis("does not speak https on that port", "url", "http" + url.removeprefix("https"))
    return None


def on_strange_answer(settings: "BackendSettings", failure: "Failure") -> Diagnosis | None:
    """What a server is that did not answer as its kind should, by its other pages."""
    url = settings.url
    pages = _fetched(url, (_ROOT, _LIVE, _READY, _RUNNING, _VERSION))
    if pages and _name(pages) != "LiteLLM":  # whose page of that name asks every model, the paid ones too
        pages = {**pages, **_fetched(url, (_HEALTH,))}
    texts = {path: reply.text() for path, reply in pages.items()}
    if url.startswith("http:") and _wants_tls(url, texts, failure):
        return Diagnosis("speaks https on that port", "url", "https" + url.removeprefix("http"))
    if _HEALTH in pages and pages[_HEALTH].status == 503 and "oading model" in texts[_HEALTH]:
        return Diagnosis("is still loading its model", "", "wait until it is loaded, then run doctor again")
    if "qdrant" in texts.get(_ROOT, "").lower():
        return Diagnosis("is Qdrant, a database of vectors that serves no models", "url", "URL")
    name = _name(pages)
    if name is not None:
        return _of_known(name, settings, failure, pages)
    redirect = _REDIRECT.search(failure.text)
    if redirect:
        return Diagnosis(f"sends its visitors to another address (HTTP {redirect[1]})", "url", "URL")
    if re.match(r"\s*<(!doctype|html)", texts.get(_ROOT, ""), re.IGNORECASE):
        return Diagnosis(f"shows a web page and {failure.text}", "url", "URL")
    return None


def _of_known(name: str, settings: "BackendSettings", failure: "Failure", pages: Pages) -> Diagnosis:
    if _KINDS[name] != settings.kind:
        text = f"is {name}, which is not of the kind {settings.kind} that config.yaml names"
        return Diagnosis(text, "kind", _KINDS[name])
    said = "its health page says that it is up"
    ready = pages.get(_READY)
    if name == "LiteLLM" and ready is not None and ready.status != 200:
        from supervisor_mcp.backends.base import quoted

        said = f"its health page says: {quoted(ready)}"
    return Diagnosis(f"{failure.text}; {said}", "", failure.hint or f"look into the log of {settings.name}")


def _name(pages: Pages) -> str | None:
    good = {path: reply for path, reply in pages.items() if reply.status == 200}
    if _LIVE in good and "alive" in good[_LIVE].text():
        return "LiteLLM"
    if _ROOT in good and "Ollama is running" in good[_ROOT].text():
        return "Ollama"
    if _RUNNING in good and _keys(good[_RUNNING]) >= {"running"}:
        return "llama-swap"
    if _VERSION in good and _keys(good[_VERSION]) == {"version"}:
        return "Ollama"
    if _HEALTH in good and _keys(good[_HEALTH]) >= {"status"}:
        return "llama.cpp"
    return None


def _keys(reply: "Reply") -> set[str]:
    page = reply.json()
    return set(page) if isinstance(page, dict) else set()


def _wants_tls(url: str, texts: Mapping[str, str], failure: "Failure") -> bool:
    if any(_WANTS_TLS.search(text) for text in texts.values()):
        return True
    if texts or "broke off" not in failure.text:
        return False
    secure = _page("https" + url.removeprefix("http"), _ROOT)
    return not isinstance(secure, str) or "certificate" in secure


def _fetched(url: str, paths: tuple[str, ...]) -> Pages:
    from supervisor_setup.deadlines import all_at_once

    found = all_at_once([partial(_page, url, path) for path in paths], 2 * _PAGE_SECONDS, late="")
    return {path: one for path, one in zip(paths, found, strict=True) if not isinstance(one, str)}


def _page(url: str, path: str) -> "Reply | str":
    """A page, asked for without the key, or why there is none."""
    from urllib.parse import urlsplit

    from supervisor_mcp.backends import exchange
    from supervisor_mcp.backends.failures import BackendError
    from supervisor_mcp.backends.pool import Pool
    from supervisor_mcp.calls import Call

    root = urlsplit(url)
    wanted = exchange.Request(
        url=f"{root.scheme}://{root.netloc}{path}",
        body=None,
        headers={},
        connect_seconds=_PAGE_SECONDS,
        seconds=_PAGE_SECONDS,
        started=time.monotonic(),
        doing="",
    )
    try:
        return exchange.send(wanted, Call(), Pool(), on_connected=lambda: None)
    except BackendError as error:
        return error.failure.text


def _keyed(client: "Backend", path: str) -> Any:
    from supervisor_mcp.backends.failures import BackendError
    from supervisor_mcp.calls import Call

    try:
        return client.request(path, None, Call())
    except BackendError:
        return None
