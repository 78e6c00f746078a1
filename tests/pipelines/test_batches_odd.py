"""Batches at an API, or behind a gateway, that does not behave."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from batch_desk import RUN, Desk, Verdict, opened, request

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines import batch_api, batches
from supervisor_pipelines.batches import Batcher
from supervisor_pipelines.claude import Claude
from supervisor_pipelines.failures import RunStopped


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(batch_api, "POLL_SECONDS", (0.01, 0.05))
    with opened(tmp_path) as made:
        yield made


def test_a_batch_that_appears_after_a_long_attempt_to_create_it_has_failed_is_not_created_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SETTLING_SECONDS", 1.5)
    ours = [{"custom_id": request(name).key, "params": request(name).params} for name in ("one", "two")]
    appears = threading.Timer(0.5, desk.api.batches.create, [{"requests": ours}, 1])

    def breaks_off() -> None:
        time.sleep(2.0)
        appears.start()
        raise ConnectionResetError

    desk.api.hook("create", "begin", breaks_off)
    desk.ask("one", "two")
    appears.join()
    assert desk.sizes() == [2]
    assert desk.answer("two") == "two"


def send_and_leave(desk: Desk) -> None:
    """A batch of "one" is under way at the API, and nobody waits for it."""
    desk.api.batches.seconds = None
    batcher = Batcher(desk.store, desk.claude, run_id=RUN)
    with pytest.raises(CallCancelled):
        batcher.ask_all([(request("one"), 0)], Verdict, lambda _waiting: batcher.stop())
    desk.api.batches.seconds = 0.0


def test_a_batch_that_the_api_knows_no_longer_may_have_been_billed_and_blocks_nothing(desk: Desk) -> None:
    send_and_leave(desk)
    desk.api.batches.all.clear()
    desk.ask("one")
    assert desk.sizes() == []
    assert desk.failure("one") == "the batch has no result for it"
    assert desk.money().lost > 0
    assert (desk.rows(), desk.money().reserved) == (0, 0)
    desk.ask("one", attempt=1)
    assert desk.answer("one") == "one"


@contextmanager
def refusing(status: int) -> Iterator[str]:
    """The URL of something that refuses whatever is asked."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_at_an_address_without_batches_none_is_given_up(desk: Desk) -> None:
    send_and_leave(desk)
    there = desk.claude
    with refusing(404) as url:
        desk.claude = Claude("sk-ant-any", url)
        with pytest.raises(RunStopped, match="HTTP 404"):
            desk.ask("one")
        desk.claude.close()
    assert (desk.rows(), desk.money().lost) == (1, 0)
    desk.claude = there
    desk.ask("one")
    assert desk.answer("one") == "one"


@pytest.mark.parametrize("status", [400, 405])
def test_a_gateway_without_batches_ends_the_run_and_says_so(desk: Desk, status: int) -> None:
    desk.claude.close()
    with refusing(status) as url:
        desk.claude = Claude("sk-ant-any", url)
        with pytest.raises(RunStopped, match=f"has no batches: .*HTTP {status}") as told:
            desk.ask("one")
    assert told.value.hint == "--no-batch"
    assert (desk.rows(), desk.money().reserved) == (0, 0)
