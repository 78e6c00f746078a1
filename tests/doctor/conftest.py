"""A machine for doctor to look at."""

import os
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import HEALTHY_CLIENT, Bench
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_backend import FakeBackend, FakeServer

from homes import Home


@pytest.fixture
def bench(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any], new_backend: Any
) -> Bench:
    """A machine with nothing installed, in a git project."""
    programs, usual = tmp_path / "bin", tmp_path / "usual"
    programs.mkdir()
    usual.mkdir()
    project = tmp_path / "work"
    (project / ".git").mkdir()
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(programs), str(usual), os.environ.get("PATH", os.defpath)))
    )
    bench = Bench(home, project, programs, monkeypatch, cli, new_backend)
    # Nobody can tell its version, so that each fact about versions may hold; what a test plants goes before.
    bench.program("claude", HEALTHY_CLIENT).rename(usual / "claude")
    return bench


@pytest.fixture
def only_planted_programs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with nothing but what the test plants: no Tailscale or LiteLLM of this machine's."""
    monkeypatch.setenv("PATH", str(bench.bin))


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """The port of a server that speaks TLS alone, with a certificate of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path / "server.pem"))
    server = FakeServer(FakeBackend())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def own_certificate(path: Path) -> Path:
    """A fresh key and a certificate that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    shape = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *shape) + certificate.public_bytes(pem))
    return path
