"""Stands in for llama.cpp's server; what it does is written in the model file that it is given.

A model file is `GGUF` and JSON: `load_seconds` before it listens, `lines` that it says instead and the
`exit_code` it then ends with, `health` (the status of /health), `answer`, `answer_seconds`, `refuse` (what it
says to each prompt), `crash` (a signal at the next prompt), `stubborn` (SIGTERM does not end it). Events go
into MODEL.log, one a line.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPTIONS = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
MODEL = Path(OPTIONS["--model"])
BEHAVIOUR = json.loads(MODEL.read_bytes()[4:])


def log(**event: object) -> None:
    with MODEL.with_suffix(".log").open("a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: int, data: object) -> None:
        self.send(status, json.dumps(data).encode())

    def admitted(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {os.environ['LLAMA_API_KEY']}":
            return True
        log(event="refused", path=self.path)
        self.send_json(401, {"error": {"message": "Invalid API Key"}})
        return False

    def do_GET(self) -> None:
        if self.path == "/health":
            status = BEHAVIOUR.get("health", 200)
            self.send_json(status, {"status": "ok"} if status == 200 else {"error": {"message": "Loading"}})
        elif self.admitted():
            model = {"id": "the-file", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}
            self.send_json(200, {"data": [model]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.admitted():
            return
        log(event="prompt", pid=os.getpid(), model=body["model"], text=body["messages"][-1]["content"])
        if "refuse" in BEHAVIOUR:
            self.send_json(400, {"error": {"message": BEHAVIOUR["refuse"]}})
            return
        if "crash" in BEHAVIOUR:
            os.kill(os.getpid(), BEHAVIOUR["crash"])
            time.sleep(5)
        time.sleep(BEHAVIOUR.get("answer_seconds", 0))
        delta = {"choices": [{"delta": {"content": BEHAVIOUR.get("answer", "It is Paris.")}}]}
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        events = "".join(f"data: {json.dumps(event)}\n\n" for event in (delta, end))
        self.send(200, f"{events}data: [DONE]\n\n".encode(), "text/event-stream")


def main() -> int:
    log(event="start", pid=os.getpid(), parent=os.getppid(), arguments=sys.argv, environment=dict(os.environ))
    if BEHAVIOUR.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in BEHAVIOUR.get("lines", []):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - as the real one does
    time.sleep(BEHAVIOUR.get("load_seconds", 0))
    if "exit_code" in BEHAVIOUR:
        return int(BEHAVIOUR["exit_code"])
    with ThreadingHTTPServer((OPTIONS["--host"], int(OPTIONS["--port"])), Handler) as server:
        print(f"0.01 I srv  llama_server: listening on http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - likewise
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
