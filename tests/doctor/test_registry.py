"""What the registry promises beside the checks themselves: time limits, and what an offline run imports."""

import subprocess
import sys

from supervisor_setup.checks import client_runs, registry, server_start
from supervisor_setup.checks.check import Reach

LIMITS = {check.id: check.timeout_s for check in registry.CHECKS}


def test_the_limits_leave_room_for_what_the_checks_allow_themselves():
    for name in ("server.command", "server.handshake", "server.description-length"):
        assert LIMITS[name] > server_start.ALL_SECONDS + 2
    for name in ("client.sees-server", "client.sees-agents"):
        assert LIMITS[name] > client_runs.SECONDS + 2


def test_an_offline_run_imports_nothing_that_speaks_to_others_or_takes_long(own_home):
    program = (
        "import sys; from supervisor_setup import cli; "
        "assert cli.run(['install', '--yes']) == 0; "
        "before = set(sys.modules); "
        "assert cli.run(['doctor', '--offline']) == 0; "
        "heavy = {'subprocess', 'http', 'ssl', 'urllib', 'sqlite3', 'asyncio', 'logging', 'mcp'}; "
        "sys.exit(' '.join(heavy & (set(sys.modules) - before)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_only_what_reaches_out_is_left_out_offline():
    assert {check.family for check in registry.CHECKS if check.reach > Reach.FILES} == {
        "server",
        "backend",
        "client",
    }
