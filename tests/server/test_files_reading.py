"""What is read as text, what is passed over and why, and that nothing that looks secret is read."""

import gzip
import os
import random
import string
import time
from pathlib import Path

import pytest

from supervisor_mcp.files import confine, reading, secret_scan
from supervisor_mcp.files.library import Library
from supervisor_mcp.files.secret_names import is_secret
from supervisor_mcp.settings_types import Files


def read(folder: Path, data: bytes, name: str = "file.txt", **settings: int) -> str:
    """The text of a file with these bytes, or why it is not read."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    sources, skipped = Library(Files(**settings), str(folder)).sources([name])
    return sources[0].text if sources else skipped[0].reason


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n", "plain\n"),
        ("grüße\n".encode(), "grüße\n"),
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        ("grüße\n".encode("utf-16"), "grüße\n"),
        ("\ufeffgrüße\n".encode("utf-16-be"), "grüße\n"),
        ("plain text\n".encode("utf-16-le"), "plain text\n"),
        ("plain text\n".encode("utf-16-be"), "plain text\n"),
        ("\ufeffgrüße\n".encode("utf-32-le"), "grüße\n"),
        ("viele grüße aus köln\n".encode("latin-1"), "viele grüße aus köln\n"),
        ("“quoted” 5 €\n".encode("cp1252"), "“quoted” 5 €\n"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (
            b"mostly fine, and one \xff byte that is not " + b"x" * 100,
            "mostly fine, and one \ufffd byte that is not " + "x" * 100,
        ),
        ("日本語のテキスト\n".encode(), "日本語のテキスト\n"),
    ],
)
def test_text_is_read_in_the_usual_encodings(tmp_path, data, text):
    assert read(tmp_path, data) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "is binary"),
        (b"text and then\0" + b"x" * 100, "is binary"),
        (b"x" * 20_000 + b"\0", "is binary"),
        (gzip.compress(b"compressed text " * 3, mtime=0), "is binary"),
        (random.Random(1).randbytes(3000).replace(b"\0", b"\1"), "is binary"),
        (b"\0" * 100, "is binary"),
        (b"x" * 1001, "has 1,001 bytes, more than the limit of 1,000"),
    ],
)
def test_what_is_not_text_is_passed_over_with_the_reason(tmp_path, data, reason):
    limit = {"max_file_bytes": 1000} if data.startswith(b"xxx") and len(data) == 1001 else {}
    assert read(tmp_path, data, **limit) == reason


def test_a_sparse_file_of_two_gigabytes_is_passed_over_at_once(tmp_path):
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(2 << 30)
    began = time.monotonic()
    _, (skipped,) = Library(Files(), str(tmp_path)).sources(["."])
    assert time.monotonic() - began < 2
    assert skipped.reason == "has 2,147,483,648 bytes, more than the limit of 2,000,000"


def test_a_file_that_grows_while_it_is_read_is_read_to_the_limit_only(tmp_path, monkeypatch):
    (tmp_path / "log").write_bytes(b"x" * 10)
    library = Library(Files(max_file_bytes=100), str(tmp_path))
    plan = library.plan(["log"])
    monkeypatch.setattr(reading.os, "read", lambda _descriptor, count: b"x" * min(count, 30))
    assert library.read(plan.files[0]).reason == "has more than the limit of 100 bytes"


def test_a_file_that_became_a_folder_or_went_away_is_passed_over(tmp_path):
    library = Library(Files(), str(tmp_path))
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    folder, gone = library.plan(["a", "b"]).files
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").unlink()
    assert library.read(folder).reason == "is no longer a file"
    assert library.read(gone).reason == "cannot be read (No such file or directory)"
    (tmp_path / "b").symlink_to("/etc/passwd")
    assert library.read(gone).reason == "cannot be read (Too many levels of symbolic links)"
    (tmp_path / "b").unlink()
    os.mkfifo(tmp_path / "b")
    assert library.read(gone).reason == "is neither a file nor a folder"


def test_a_file_that_may_not_be_read_is_passed_over_and_the_rest_is_read(tmp_path, monkeypatch):
    for name in ("a", "locked", "z"):
        (tmp_path / name).write_text("x")
    real = os.open

    def locked(path, *arguments, **options):
        if path == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(confine.os, "open", locked)
    sources, skipped = Library(Files(), str(tmp_path)).sources(["."])
    assert [source.path for source in sources] == ["a", "z"]
    assert [(one.path, one.reason) for one in skipped] == [("locked", "cannot be read (Permission denied)")]


def test_the_environment_of_a_process_is_not_a_file_to_be_read():
    sources, skipped = Library(Files(roots=("/",)), "/").sources(["/proc/self/environ", "/proc/self/cmdline"])
    assert sources == []
    assert [one.reason for one in skipped] == ["is empty"] * 2


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.local", ".ENV", "prod.env", "sub/.env.production", ".netrc", ".npmrc", ".pypirc",
        "id_rsa", "id_ed25519", "ID_RSA", "server.pem", "tls.key", "cert.p12", "keys.jks", "x.tfstate",
        "prod.tfvars", ".aws/credentials", ".ssh/config", "home/.ssh/known_hosts", ".kube/config", ".gnupg/x",
        ".docker/config.json", "gh/hosts.yml", ".git/config", "credentials.json", "service-account-prod.json",
        "secrets.yml", "app.secrets.json", ".bash_history", ".git-credentials", "client_secret_1.json",
        "\uff0eenv", ".e\u200bnv", "credentials", ".claude.json", ".claude/.credentials.json", "kubeconfig",
    ],
)  # fmt: skip
def test_files_named_like_secrets_are_refused_whoever_names_them(tmp_path, path):
    assert read(tmp_path, b"harmless\n", path) == "is named like a file of secrets"


@pytest.mark.parametrize(
    "path",
    [
        ".env.example", ".env.sample", "env.py", "environment.ts", "id_rsa.pub", "secrets.py", "secrets.h",
        "keyboard.ts", "monkey.py", "key.go", "credentials.py", ".docker/nginx.conf", "a.css", "shadow.c",
        "docs/secrets.md", "kubeconfig.md", "hosts.yml", "config.json", ".github/workflows/ci.yml",
    ],
)  # fmt: skip
def test_files_with_harmless_names_are_read(tmp_path, path):
    assert read(tmp_path, b"harmless\n", path) == "harmless\n"


def test_a_link_with_a_harmless_name_does_not_lead_to_a_file_of_secrets(tmp_path):
    (tmp_path / ".env").write_text("X=1\n")
    (tmp_path / "notes.txt").symlink_to(".env")
    _, (skipped,) = Library(Files(), str(tmp_path)).sources(["notes.txt"])
    assert (skipped.path, skipped.reason) == (".env", "is named like a file of secrets")
    assert not is_secret(("notes.txt",))


_RANDOM = random.Random(7)


def some(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(_RANDOM.choices(letters, k=count))


LOWER_HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
# Made when the tests run, so that no scanner finds them in this file.
TOKENS = {
    "Age Secret Key": "AGE-SECRET-" + "KEY-1" + some(58, UPPER),
    "Anthropic API Key": "sk-" + "ant-api03-" + some(80),
    "Artifactory Credentials": "AKC" + "p" + some(69),
    "AWS Access Key": "AKIA" + some(16, UPPER),
    "Azure Storage Account access key": "Account" + "Key=" + some(86) + "==",
    "Basic Auth Credentials": "postgres://admin:" + some(16) + "@db.example.com/x",
    "DigitalOcean Token": "dop" + "_v1_" + some(64, LOWER_HEX),
    "Discord Bot Token": "M" + some(23) + "." + some(6) + "." + some(27),
    "GitHub Token": "gh" + "p_" + some(36),
    "GitLab Token": "gl" + "pat-" + some(20),
    "Google API Key": "AI" + "za" + some(35),
    "Google OAuth Secret": "GOC" + "SPX-" + some(28),
    "Groq API Key": "gs" + "k_" + some(52),
    "HashiCorp Vault Token": "hv" + "s." + some(24),
    "Hugging Face Token": "h" + "f_" + some(34, string.ascii_letters),
    "JSON Web Token": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0." + some(43),
    "Mailchimp Access Key": some(32, LOWER_HEX) + "-us" + "12",
    "NPM Token": "np" + "m_" + some(36),
    "OpenAI API Key": "sk-" + "proj-" + some(20) + "T3Blbk" + "FJ" + some(20),
    "Private Key": "-----BEGIN " + "RSA PRIVATE KEY-----\n" + some(64),
    "PyPI Token": "pypi-" + "AgEIcHlwaS5vcmc" + some(80),
    "SendGrid API Key": "SG" + "." + some(22) + "." + some(43),
    "Shopify Token": "shp" + "at_" + some(32, LOWER_HEX),
    "Slack Token": "xox" + "b-123456789012-123456789012-" + some(24, string.ascii_lowercase),
    "Square OAuth Secret": "sq0" + "csp-" + some(43),
    "Stripe Access Key": "sk_" + "live_" + some(24),
    "Tailscale Key": "tskey" + "-auth-" + some(17) + "-" + some(32),
    "Telegram Bot Token": "123456789" + ":" + some(35),
    "Twilio API Key": "SK" + some(32, LOWER_HEX),
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("where", ["alone", "deep in a file", "in one long line", "over an edge"])
def test_a_file_with_a_secret_in_it_is_refused_with_its_kind(tmp_path, kind, where):
    before = {
        "alone": "",
        "deep in a file": "a = 1  # a line of code\n" * 5000,
        "in one long line": "lorem ipsum " * 2000,
        "over an edge": "word " * 812,  # the scanner's window ends within the token
    }[where]
    text = f'{before}key = "{TOKENS[kind]}"\n'
    assert read(tmp_path, text.encode()) == f"holds what looks like a secret ({kind})"


@pytest.mark.parametrize(
    "text",
    [
        "postgres://user:password@localhost/db",
        "https://user:{password}@host",
        "redis://:${PASSWORD}@host",
        "see https://example.com/a:b@c",
        "sha256 = " + some(64, LOWER_HEX),
        "commit " + some(40, LOWER_HEX),
        "api_key = os.environ['API_KEY']",
        "password: changeme",
        "APACHE2LICENSEFILE APPLICATIONS",
        "data:image/png;base64," + "iVBORw0KGgo" * 20,
        "id = 550e8400-e29b-41d4-a716-446655440000",
        "sk-learn and sk-ant are words",
    ],
)
def test_what_only_resembles_a_secret_is_read(tmp_path, text):
    assert read(tmp_path, text.encode()) == text


@pytest.mark.parametrize(
    "piece", ["eyJ", "sk-", "//", "://a:", "aws", "M", "_-", "xoxa-1-", ":_authToken=", "a", "ghp_"]
)
def test_no_text_holds_the_scanner_up(piece, monkeypatch):
    began = time.monotonic()
    monkeypatch.setattr(secret_scan, "MAX_SECONDS", 0.1)  # between windows; each of them must end of itself
    secret_scan.objection(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - began < 10


def test_a_text_that_could_not_be_checked_in_time_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(secret_scan, "MAX_SECONDS", -1.0)
    reason = read(tmp_path, b"word " * 10_000)
    assert reason == "could not be searched for secrets within -1 s"
