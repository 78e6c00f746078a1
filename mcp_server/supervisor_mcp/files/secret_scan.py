"""Looks for secrets in a text: the forms that detect-secrets knows, and some of our own.

Its detectors that guess by entropy or by a neighbouring word are left out: they fire on hashes, test data and
documentation, and every file that they refuse is one that Claude has to read itself. Those whose patterns
take minutes over a text made for it (JWT, NPM, OpenAI) are replaced by patterns with an end.
"""

import re
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

_THEIRS = (
    "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "MailchimpDetector", "PrivateKeyDetector",
    "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector",
    "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
_OURS = {
    "Age Secret Key": r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    "Anthropic API Key": r"\bsk-ant-[a-z0-9]{1,10}-[\w-]{20}",
    "Artifactory Credentials": r"\bAKCp[0-9A-Za-z]{60}",
    "DigitalOcean Token": r"\bdo[opr]_v1_[a-f0-9]{64}",
    "GitHub Token": r"\bgithub_pat_\w{60}",
    "Google API Key": r"\bAIza[\w-]{35}",
    "Google OAuth Secret": r"\bGOCSPX-[\w-]{28}",
    "Groq API Key": r"\bgsk_[A-Za-z0-9]{50}",
    "HashiCorp Vault Token": r"\bhv[sb]\.[\w-]{24}",
    "Hugging Face Token": r"\bhf_[A-Za-z]{34}",
    "JSON Web Token": r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10}",
    "NPM Token": r"\bnpm_[A-Za-z0-9]{36}|:_authToken=[\w-]{20}",
    "OpenAI API Key": r"\bsk-[\w-]{0,200}T3BlbkFJ[A-Za-z0-9]{20}",
    "Private Key": r"-----BEGIN ENCRYPTED PRIVATE KEY",
    "Shopify Token": r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "Slack Token": r"\bxapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-f0-9]{20}",
    "Tailscale Key": r"\btskey-[a-z]{3,12}-[A-Za-z0-9]{8,30}-[A-Za-z0-9]{20}",
}
_PASSWORD_IN_URL = "Basic Auth Credentials"  # noqa: S105 - the name that detect-secrets has for them
# What stands in documentation where a password would stand.
_PLACEHOLDER = re.compile(
    r"(?:.{0,3}|p(?:ass)?w(?:or)?d|pass\w{0,6}|secret|token|example|change\w{0,6}|user\w{0,4}|[x*.]+|[<{%\[].*)",
    re.IGNORECASE,
)
# No pattern sees more at once, so that none takes long; a secret is shorter than the overlap.
_WINDOW_CHARS = 4096
_OVERLAP_CHARS = 1024
MAX_SECONDS = 5.0
_lock = threading.Lock()


def objection(text: str) -> str | None:
    """Why the text is not to be read, in half a sentence; None where there seems to be no secret in it."""
    deadline = time.monotonic() + MAX_SECONDS
    for window in _windows(text):
        for kind, pattern in _patterns():
            for match in pattern.finditer(window):
                if kind != _PASSWORD_IN_URL or not _PLACEHOLDER.fullmatch(match[1]):
                    return f"holds what looks like a secret ({kind})"
        if time.monotonic() > deadline:
            return f"could not be searched for secrets within {MAX_SECONDS:g} s"
    return None


def _windows(text: str) -> Iterator[str]:
    for start in range(0, len(text), _WINDOW_CHARS - _OVERLAP_CHARS):
        yield text[start : start + _WINDOW_CHARS]


def _patterns() -> "tuple[tuple[str, re.Pattern[str]], ...]":
    with _lock:
        return _compiled()


@cache
def _compiled() -> "tuple[tuple[str, re.Pattern[str]], ...]":
    # 0.2 s to import, for the first file that is read.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins: list[Any] = list(get_mapping_from_secret_type_to_class().values())
    known = {one.__name__: one for one in plugins}
    theirs = [
        (known[name].secret_type, re.compile(pattern.pattern, pattern.flags | re.MULTILINE))
        for name in _THEIRS
        for pattern in known[name].denylist
    ]
    return (*((kind, re.compile(pattern)) for kind, pattern in _OURS.items()), *theirs)
