"""Looks for secrets in a text, with the detectors of detect-secrets that know a key by its form.

Those that guess by entropy or by a neighbouring word are left out: they fire on hashes, test data and
documentation, and every file that they refuse is one that Claude has to read itself.
"""

import re
import threading
from functools import cache
from typing import Any

_DETECTORS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "CloudantDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "IbmCosHmacDetector",
    "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector",
    "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector",
    "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
# Which detect-secrets does not know yet.
_OURS = {"Anthropic key": re.compile(r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{20,}")}
_lock = threading.Lock()


def found(text: str) -> str | None:
    """The kind of the first secret in the text, None where there seems to be none."""
    for kind, pattern in _OURS.items():
        if pattern.search(text):
            return kind
    for detector in _detectors():
        for _ in detector.analyze_string(text):
            return str(detector.secret_type)
    return None


@cache
def _detectors() -> tuple[Any, ...]:
    # 0.1 s to import, for the first file that is read.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    with _lock:
        classes: Any = get_mapping_from_secret_type_to_class().values()
        return tuple(one() for one in classes if one.__name__ in _DETECTORS)
