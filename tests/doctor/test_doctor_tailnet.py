"""What Tailscale adds to a host name that leads nowhere."""

import json
from typing import Any

import pytest
from backend_bench import KOALA, use
from bench import Bench
from fake_backend import (
    closed_port,
)

from supervisor_setup import reachability

pytestmark = pytest.mark.usefixtures("only_planted_programs")

STATUS = {
    "BackendState": "Running",
    "Self": {
        "HostName": "laptop",
        "DNSName": "laptop.tail1.ts.net.",
        "TailscaleIPs": ["100.64.0.1"],
        "Online": True,
    },
    "Peer": {
        "nodekey:1": {
            "HostName": "koala-2",
            "DNSName": "koala-2.tail1.ts.net.",
            "TailscaleIPs": ["100.64.0.2"],
            "Online": True,
        }
    },
}


def plant_tailscale(bench: Bench, status: object = None, *, code: str = "") -> None:
    """A `tailscale` that prints `status`, or does what `code` says."""
    said = json.dumps(STATUS if status is None else status)
    bench.program(
        "tailscale", code or f"import sys; assert sys.argv[1:] == ['status', '--json']; print({said!r})"
    )


def peer(**changes: Any) -> dict[str, Any]:
    """The tailnet, in which the one other machine is changed."""
    machine = {**STATUS["Peer"]["nodekey:1"], **changes}  # type: ignore[index]
    return {**STATUS, "Peer": {"nodekey:1": machine}}


def test_a_stopped_tailscale_is_named(bench: Bench):
    plant_tailscale(bench, {"BackendState": "Stopped", "Peer": None})
    use(bench, KOALA)
    found = bench.one("backend")
    assert "Tailscale, which may know it, is stopped" in found["message"]
    assert found["hint"].startswith("tailscale up; another address:")


def test_a_tailscale_that_is_logged_out_is_named(bench: Bench):
    plant_tailscale(bench, {"BackendState": "NeedsLogin"})
    use(bench, KOALA)
    assert "is logged out" in bench.one("backend")["message"]


def test_a_tailscale_whose_daemon_does_not_run_is_named(bench: Bench):
    plant_tailscale(bench, code="import sys; sys.exit('failed to connect to local tailscaled')")
    use(bench, KOALA)
    assert "is not running" in bench.one("backend")["message"]


def test_a_machine_under_another_name_is_offered(bench: Bench):
    plant_tailscale(bench)
    use(bench, KOALA)
    found = bench.one("backend")
    assert "no machine of that name, the nearest is koala-2.tail1.ts.net" in found["message"]
    assert "config set backends.0.url http://koala-2.tail1.ts.net:4000" in found["hint"]


def test_a_tailnet_without_anything_like_it_lists_its_machines(bench: Bench):
    plant_tailscale(bench, peer(DNSName="nas.tail1.ts.net."))
    use(bench, KOALA)
    assert "no machine of that name, only laptop, nas" in bench.one("backend")["message"]


def test_a_machine_that_is_offline_is_said_to_be(bench: Bench):
    plant_tailscale(bench, peer(DNSName="koala.tail1.ts.net.", Online=False))
    use(bench, KOALA)
    found = bench.one("backend")
    assert "it is offline in the tailnet" in found["message"]
    assert found["hint"].startswith("start koala;")


def test_a_name_that_only_fails_to_resolve_here_leads_to_its_address(bench: Bench):
    plant_tailscale(bench, peer(DNSName="koala.tail1.ts.net."))
    use(bench, KOALA)
    found = bench.one("backend")
    assert "its names do not resolve here" in found["message"]
    assert "tailscale set --accept-dns=true" in found["hint"]
    assert "backends.0.url http://100.64.0.2:4000" in found["hint"]


def test_it_is_not_asked_about_a_name_of_the_internet(bench: Bench):
    plant_tailscale(bench, {"BackendState": "Stopped"})
    use(bench, {**KOALA, "url": "http://models.example.com"})
    assert "Tailscale" not in bench.one("backend")["message"]


def test_it_is_asked_once_for_two_backends(bench: Bench):
    log = bench.bin.parent / "asked"
    plant_tailscale(bench, code=f"open({str(log)!r}, 'a').write('x'); print('{{}}')")
    use(bench, KOALA, {**KOALA, "name": "second"})
    assert len(bench.findings("backend")) == 2
    assert log.read_text() == "x"


@pytest.mark.parametrize(
    "code",
    [
        "print('[' * 100_000)",
        "print('[]')",
        'print(\'{"BackendState": 5, "Peer": [1], "Self": 2}\')',
        'print(\'{"BackendState": "Running", "Peer": {"a": {"DNSName": 4, "TailscaleIPs": {}}}}\')',
        "pass",
    ],
    ids=["deep", "list", "types", "peer", "silent"],
)
def test_whatever_it_says_the_host_is_still_unknown(bench: Bench, code: str):
    plant_tailscale(bench, code=code)
    use(bench, KOALA)
    assert "koala is not known here" in bench.one("backend")["message"]


def test_a_tailscale_that_hangs_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("supervisor_setup.checks.tailnet.SECONDS", 0.1)
    plant_tailscale(bench, code="import time; time.sleep(60)")
    use(bench, KOALA)
    assert bench.one("backend")["message"].endswith("koala is not known here")


def test_a_silent_machine_of_the_tailnet_is_looked_up_there(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reachability, "addresses", lambda *_: ("100.64.0.2",))
    plant_tailscale(bench, peer(Online=False))
    use(bench, {**KOALA, "url": f"http://127.0.0.1:{closed_port()}"})
    found = bench.one("backend")
    assert found["id"] == "backend.reachable"
    assert "Tailscale says that it is offline" in found["message"]


def test_a_silent_machine_of_the_lan_is_not(bench: Bench):
    plant_tailscale(bench, {"BackendState": "Stopped"})
    use(bench, {**KOALA, "url": f"http://127.0.0.1:{closed_port()}"})
    assert "Tailscale" not in bench.one("backend")["message"]
