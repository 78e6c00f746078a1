"""A state that somebody else has written runs nothing on this machine."""

import base64
import json
import pickle
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from supervisor_pipelines import plain_values
from supervisor_pipelines.engine import Engine
from supervisor_pipelines.executors import Executors
from supervisor_pipelines.journal import Task
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.store import FOLDER, Store

TASK = Task("run", "0" * 64, 1)


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def pickled(value):
    return base64.b64encode(pickle.dumps(value)).decode()


@pytest.fixture
def engine(tmp_path):
    """Starts an engine on the state in `tmp_path`; returns what its one step was given."""
    started = []

    def start():
        store = Store.open(tmp_path, None)
        store.create_tables()
        done = []

        def step(task):
            done.append(task)
            return False

        one = Engine(Executors.join(store, run="run"), "version", 1, [step], Leaving())
        one.start(store, tmp_path / FOLDER)
        started.append((one, store))
        return one, done

    def stop():
        one, store = started.pop()
        one.stop()
        store.close()

    start.stop = stop
    yield start
    while started:
        stop()


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def rows(folder):
    """How the inputs and the results of workflows and their steps are written."""
    with closing(sqlite3.connect(folder / FOLDER / "dbos.db")) as state:
        inputs = state.execute(
            "SELECT serialization, workflow_input.inputs FROM workflow_status "
            "JOIN workflow_input USING (workflow_uuid)"
        ).fetchall()
        steps = state.execute("SELECT serialization, output FROM operation_outputs").fetchall()
    return inputs, steps


def test_what_the_engine_keeps_is_json(engine, tmp_path):
    one, done = engine()
    one.enqueue([TASK])  # its queue is not open yet
    (((form, inputs),), _) = rows(tmp_path)
    assert form == "portable_json"
    assert json.loads(inputs)["positionalArgs"] == [TASK.run, TASK.sha256, TASK.attempt]
    one.open_queue("run")
    wait_for(lambda: rows(tmp_path)[1])
    assert rows(tmp_path)[1] == [("portable_json", "false")]
    assert done == [TASK]


def test_a_pickle_in_its_place_is_never_opened(engine, tmp_path):
    one, _ = engine()
    one.enqueue([TASK])  # its queue is not open yet
    engine.stop()
    trapped = tmp_path / "trapped"
    forged = pickled({"args": (Trap(trapped),), "kwargs": {}})
    with closing(sqlite3.connect(tmp_path / FOLDER / "dbos.db")) as state, state:
        state.execute("UPDATE workflow_status SET serialization = 'py_pickle'")
        state.execute("UPDATE workflow_input SET inputs = ?", (forged,))
    one, done = engine()
    one.open_queue("run")
    wait_for(lambda: trapped.exists() or plain_values.REFUSAL in log(tmp_path))
    assert not trapped.exists()
    assert done == []


def log(folder):
    path = folder / FOLDER / "engine.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""
