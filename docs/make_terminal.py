"""Makes docs/terminal.svg from a real first install: python docs/make_terminal.py"""

import io
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROGRAM = Path(sys.executable).parent / "supervisor-setup"
ADDRESS = ("127.0.0.1", 4000)
URL = f"http://{ADDRESS[0]}:{ADDRESS[1]}"
LINES = (
    (PROGRAM, "--color", "always", "install", "--yes", "--litellm-url", URL, "--ollama-url", URL),
    (PROGRAM, "--color", "always", "doctor", "--offline"),
)


def main() -> None:
    """Run each command in a home of its own and draw what it printed."""
    console = Console(record=True, width=112, file=io.StringIO())
    # Something that listens, as a backend would.
    with socket.create_server(ADDRESS), tempfile.TemporaryDirectory() as home:
        (Path(home) / ".claude").mkdir()
        (Path(home) / ".claude" / "settings.json").write_text('{\n  "theme": "dark"\n}\n', encoding="utf-8")
        for command in LINES:
            shown = " ".join(("supervisor-setup", *map(str, command[3:])))
            console.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
            environment = {"HOME": home, "PATH": f"{PROGRAM.parent}:{os.defpath}"}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            console.print(Text.from_ansi(ran.stdout))
    picture = console.export_svg(title="supervisor-setup")
    # The reader's own monospace font will do: a picture in a README should fetch nothing.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(__file__).with_name("terminal.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
