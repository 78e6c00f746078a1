"""Makes docs/terminal.svg from a real first install: python docs/make_terminal.py

Claude Code must be on PATH, as it is for whoever installs.
"""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROGRAM = Path(sys.executable).parent / "supervisor-setup"
CLIENT = str(Path(shutil.which("claude") or "").parent)
ADDRESS = ("127.0.0.1", 4000)
URL = f"http://{ADDRESS[0]}:{ADDRESS[1]}"
PROGRAM_IN_COLOUR = (PROGRAM, "--color", "always")
INSTALL = (*PROGRAM_IN_COLOUR, "install", "--yes", "--litellm-url", URL, "--ollama-url", URL)
DOCTOR = (*PROGRAM_IN_COLOUR, "doctor", "--offline")
SETTINGS = '{\n  "theme": "dark",\n  "env": {"ANTHROPIC_DEFAULT_HAIKU_MODEL": "claude-opus-5-5"}\n}\n'
AGENT = """\
---
name: helper
description: Looks things up. Use it for quick questions.
tools: Read, Grep
modle: haiku
---

You look things up.
"""


def main() -> None:
    """Run each command in a home of its own and draw what it printed."""
    console = Console(record=True, width=112, file=io.StringIO())
    # Something that listens, as a backend would.
    with socket.create_server(ADDRESS), tempfile.TemporaryDirectory() as home:
        # A home with two faults that the client says nothing about.
        (Path(home) / ".claude" / "agents").mkdir(parents=True)
        (Path(home) / ".claude" / "settings.json").write_text(SETTINGS, encoding="utf-8")
        (Path(home) / ".claude" / "agents" / "helper.md").write_text(AGENT, encoding="utf-8")
        for command in (INSTALL, DOCTOR):
            shown = " ".join(("supervisor-setup", *map(str, command[3:])))
            console.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
            environment = {"HOME": home, "PATH": os.pathsep.join((str(PROGRAM.parent), CLIENT, os.defpath))}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            console.print(Text.from_ansi(ran.stdout))
    picture = console.export_svg(title="supervisor-setup")
    # The reader's own monospace font will do: a picture in a README should fetch nothing.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(__file__).with_name("terminal.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
