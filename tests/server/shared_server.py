"""One server over HTTP for all tests that neither start nor end one: its start costs 2 s of a processor."""

from pathlib import Path

from fake_backend import FakeBackend, FakeServer, litellm
from http_server import HttpServer, patched

ALLOWED_NAME = "emu"
REPORT_SECONDS = 1.0
# What its log may hold after all that is sent to it.
_MAY_SAY = {
    "supervisor-mcp: uvicorn.error: Invalid HTTP request received.",
    "supervisor-mcp: mcp.server.runner: dropped 'notifications/cancelled': malformed params",
}


class SharedServer:
    """The server (`http`), the LiteLLM behind it, and the folders around it.

    It stands in `outside`, which it is also told is the client's project, and may read below `inside`; in
    both is a `notes.txt`. It goes by the further name ALLOWED_NAME, and reports on a call every
    REPORT_SECONDS.
    """

    def __init__(self, folder: Path) -> None:
        self.inside, self.outside = folder / "inside", folder / "outside"
        for place in (self.inside, self.outside):
            place.mkdir()
            (place / "notes.txt").write_text(f"Paris is {place.name}.\n", encoding="utf-8")
        self._behind = FakeServer(FakeBackend())
        self.http = HttpServer(
            folder / "http",
            "--allow-host",
            ALLOWED_NAME,
            config={
                "backends": [litellm(self._behind.backend, local=True)],
                "files": {"roots": [str(self.inside)]},
            },
            command=patched({"supervisor_mcp.backends.exchange": {"REPORT_SECONDS": REPORT_SECONDS}}),
            # Tests that share it have homes of their own; this is the server's.
            env={
                "HOME": str(folder),
                "XDG_CACHE_HOME": str(folder / "cache"),
                "CLAUDE_PROJECT_DIR": str(self.outside),
            },
            cwd=self.outside,
        )

    def new_backend(self) -> FakeBackend:
        """A fresh LiteLLM behind the server; what still runs against the one before changes nothing here."""
        return self._behind.replace(FakeBackend())

    def end(self) -> None:
        """End both; the server must have come through unharmed."""
        code, _ = self.http.end()
        self._behind.shutdown()
        self._behind.server_close()
        assert code == 0, self.http.said
        assert set(self.http.said[1:]) <= _MAY_SAY, self.http.said
