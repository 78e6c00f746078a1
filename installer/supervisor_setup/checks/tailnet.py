"""What this machine's Tailscale says of a host, for when a host name leads nowhere."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.checks import processes
from supervisor_setup.checks.search_path import which
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

SECONDS = 3.0
_MAC_PROGRAM = Path("/Applications/Tailscale.app/Contents/MacOS/Tailscale")
_RUNNING = "Running"
# What `tailscale status --json` calls its states, but for those in which it is on its way up.
_DOWN: Mapping[str, str] = {
    "Stopped": "is stopped",
    "NeedsLogin": "is logged out",
    "NeedsMachineAuth": "waits for the approval of this machine",
    "NoState": "is not running",
    "InUseOtherUser": "is used by another user of this machine",
}
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the tailnet."""

    name: str
    full_name: str
    address: str
    online: bool


@dataclass(frozen=True, slots=True)
class Tailnet:
    """The state of Tailscale here, and the machines that it knows."""

    state: str
    machines: tuple[Machine, ...] = ()

    def machine(self, host: str) -> Machine | None:
        """The machine of this name or address."""
        label = host.lower().partition(".")[0]
        return next((one for one in self.machines if host == one.address or one.name.lower() == label), None)


@dataclass(frozen=True, slots=True)
class Advice:
    """What Tailscale adds to "the host name is not known": a further clause, and what to do about it.

    `host` is what the backend's URL should name instead, where that is known.
    """

    text: str
    hint: str
    host: str | None = None


def on_unknown_name(world: World, host: str) -> Advice | None:
    """What Tailscale says of a name that does not resolve; None for one that it would not know anyway."""
    if "." in host and not host.endswith(".ts.net"):
        return None
    found = tailnet(world)
    if found is None:
        return None
    if found.state != _RUNNING:
        return _not_running(found, "which may know it")
    machine = found.machine(host)
    if machine is None:
        return _unknown(found, host)
    if not machine.online:
        return Advice(
            f"; Tailscale knows it, and it is offline in the tailnet ({machine.address})", f"start {host}"
        )
    return Advice(
        f"; Tailscale knows it as {machine.full_name} ({machine.address}), but its names do not resolve here",
        "to make them: tailscale set --accept-dns=true",
        machine.address,
    )


def on_silent_address(world: World, addresses: tuple[str, ...]) -> Advice | None:
    """What Tailscale says of a machine of the tailnet that does not answer."""
    mine = [one for one in addresses if is_tailnet_address(one)]
    found = tailnet(world) if mine else None
    if found is None:
        return None
    if found.state != _RUNNING:
        return _not_running(found, "which leads there")
    machine = found.machine(mine[0])
    if machine is None or machine.online:
        return None
    return Advice("; Tailscale says that it is offline", f"start {machine.name}")


def is_tailnet_address(text: str) -> bool:
    """Whether an address is one that Tailscale gives."""
    import ipaddress

    networks = ("100.64.0.0/10", "fd7a:115c:a1e0::/48")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(one) for one in networks)


def tailnet(world: World) -> Tailnet | None:
    """The tailnet that this machine is in; None without Tailscale, or when it does not say in time."""
    return world.memo.get("tailnet", lambda: _asked(world))


def _asked(world: World) -> Tailnet | None:
    found = which("tailscale", world.environment.get("PATH", ""))
    program = found or (str(_MAC_PROGRAM) if _MAC_PROGRAM.exists() else None)
    if program is None:
        return None
    command = (program, "status", "--json")
    try:
        ran = processes.run(command, env=world.environment, cwd=world.layout.cwd, timeout_s=SECONDS)
    except OSError:
        return None
    if ran.timed_out:
        return None
    try:
        status = json.loads(ran.out)
    except (ValueError, RecursionError):
        # Without its daemon the program says so on stderr, and nothing here.
        return Tailnet("NoState") if ran.code else None
    if not isinstance(status, dict):
        return None
    return Tailnet(str(status.get("BackendState")), tuple(_machines(status)))


def _machines(status: Mapping[str, Any]) -> Iterator[Machine]:
    peers = status.get("Peer")
    for one in (status.get("Self"), *(peers.values() if isinstance(peers, dict) else ())):
        if not isinstance(one, dict):
            continue
        full_name = str(one.get("DNSName") or one.get("HostName") or "").rstrip(".")
        addresses = one.get("TailscaleIPs")
        address = str(addresses[0]) if isinstance(addresses, list) and addresses else ""
        if full_name and address:
            yield Machine(full_name.partition(".")[0], full_name, address, bool(one.get("Online")))


def _not_running(found: Tailnet, role: str) -> Advice | None:
    how = _DOWN.get(found.state)
    return Advice(f"; Tailscale, {role}, {how}", "tailscale up") if how else None


def _unknown(found: Tailnet, host: str) -> Advice:
    import difflib

    names = sorted(one.name for one in found.machines)
    near = difflib.get_close_matches(host.partition(".")[0], names, n=1)
    machine = found.machine(near[0]) if near else None
    if machine is not None:
        what = f"; the tailnet has no machine of that name, the nearest is {machine.full_name}"
        return Advice(what, "name that one", machine.full_name)
    shown = ", ".join(names[:_NAMES_SHOWN]) + (" and others" if len(names) > _NAMES_SHOWN else "")
    return Advice(f"; the tailnet has no machine of that name, only {shown}", "tailscale status")
