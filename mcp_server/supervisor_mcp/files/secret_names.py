"""Files that hold secrets by their very name; they are never read, whoever asks."""

import fnmatch
from collections.abc import Sequence

_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc", ".pypirc", ".htpasswd",
    ".git-credentials", ".dockercfg", ".boto", ".s3cfg", ".credentials.json", "credentials", "credentials.json",
    "credentials.toml", "credentials.xml", "client_secret*.json", "service-account*.json", "service_account*.json",
    "secrets.*", "secret.*", "*.secret", "*.secrets", "vault.yml", "vault.yaml", "*.tfstate", "*.tfstate.backup",
    "*.tfvars", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks",
    "*.keystore", "*.kdb", "*.kdbx", "*.ppk", "*.asc", "*.gpg", "*.ovpn", "kubeconfig", "*.kubeconfig",
    ".claude.json", "auth.json", "shadow", "master.key",
)  # fmt: skip
_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".gcloud", ".password-store"})
# What is meant to be shared, although it looks like one of the above.
_EXAMPLES = (
    "*.example",
    "*.sample",
    "*.template",
    "*.dist",
    "*.pub",
    "example.*",
    "*.example.*",
    "*.sample.*",
)


def is_secret(names: Sequence[str]) -> bool:
    """Whether the file at these names, from a root down, is taken for one that holds secrets."""
    lower = [name.lower() for name in names]
    if any(name in _FOLDERS for name in lower[:-1]):
        return True
    name = lower[-1] if lower else ""
    return _matches(name, _NAMES) and not _matches(name, _EXAMPLES)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
