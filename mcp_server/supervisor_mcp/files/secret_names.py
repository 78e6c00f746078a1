"""Files that hold secrets by their very name; they are never read, whoever asks."""

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import translate

_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", ".dev.vars", ".netrc", "_netrc", ".pgpass", ".my.cnf",
    ".npmrc", ".pypirc", ".htpasswd", "htpasswd", ".git-credentials", ".dockercfg", ".boto", ".s3cfg",
    ".terraformrc", ".vault_pass*", ".claude.json", ".*_history", "credentials", "credentials.*",
    ".credentials", ".credentials.*", "client_secret*.json", "auth.json", "local.settings.json",
    "service-account*.json", "service_account*.json", "*firebase-adminsdk*.json", "vault.yml",
    "vault.yaml", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", "kubeconfig", "*.kubeconfig",
    "shadow", "wallet.dat", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p8",
    "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdb", "*.kdbx", "*.ppk", "*.gpg", "*.ovpn", "secret",
    "secrets", "*.secret", "*.secrets",
)  # fmt: skip
_SECRET_DATA = [
    f"{stem}.{kind}"
    for stem in ("secret", "secrets", "*.secret", "*.secrets")
    for kind in ("json", "yml", "yaml", "toml", "ini", "txt", "properties", "xml", "enc")
]
_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".kube", ".gcloud", ".password-store", ".git"})
_IN_FOLDERS = (".docker/config.json", ".azure/*.json", "gh/hosts.yml")
# Code of that name, and what is meant to be shared although it looks like one of the above.
_HARMLESS = (
    "*.example", "*.sample", "*.template", "*.dist", "*.pub", "*.example.*", "*.sample.*",
    "credentials.py", "credentials.ts", "credentials.js", "credentials.go", "credentials.rs",
    "credentials.rb", "credentials.java", "credentials.md", "credentials.rst",
)  # fmt: skip


def is_secret(names: Sequence[str]) -> bool:
    """Whether the file at these names, from a root down, is taken for one that holds secrets."""
    plain = [_plain(name) for name in names]
    if _FOLDERS.intersection(plain[:-1]) or _SECRET_THERE.match("/".join(plain[-2:])):
        return True
    return bool(_SECRET.match(plain[-1])) and not _NOT_SECRET.match(plain[-1])


def _plain(name: str) -> str:
    """The name as a file system might take it that ignores case, composition or invisible characters."""
    composed = unicodedata.normalize("NFKC", name)
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf").casefold()


def _any_of(patterns: Sequence[str]) -> "re.Pattern[str]":
    return re.compile("|".join(translate(pattern) for pattern in patterns))


_SECRET = _any_of([*_NAMES, *_SECRET_DATA])
_SECRET_THERE = _any_of(_IN_FOLDERS)
_NOT_SECRET = _any_of(_HARMLESS)
