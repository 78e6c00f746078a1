"""File contents go to no model that is not known to run on the user's own machines."""

import pytest
from fake_backend import closed_port, deployment, litellm, ollama, openai

from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.delegation import AllFailed, Delegation, Task
from supervisor_mcp.settings import from_mapping, merge

CHAT = "/v1/chat/completions"
HERE = "http://127.0.0.1:8080/v1"
TASK = Task(model="local-llama", system="", user="The text of a file.", max_tokens=100, private=True)


def delegation(*entries, **files) -> Delegation:
    settings = from_mapping(merge({"backends": list(entries), "files": files}))
    return Delegation(settings.backends, settings.files)


def failures(asked: Delegation, task: Task = TASK):
    with pytest.raises(AllFailed) as failed:
        asked.ask(task, Call())
    return [attempt.failure for attempt in failed.value.attempts]


@pytest.mark.parametrize("entry", [litellm, ollama, openai])
def test_file_contents_go_to_a_model_that_is_known_to_be_local(backend, entry):
    backend.deployments = [deployment("local-llama", HERE)]
    assert delegation(entry(backend)).ask(TASK, Call()).answer.text == backend.answer


def test_file_contents_do_not_go_to_the_cloud_and_the_user_is_told_how_to_allow_it(backend):
    backend.deployments = [deployment("local-llama", None, "anthropic/claude-sonnet-5")]
    (failure,) = failures(delegation(litellm(backend)))
    assert failure.kind is Kind.CLOUD
    assert failure.text == (
        "is not given file contents, because local-llama is not known to run on the user's own machines "
        "(it runs at the service anthropic)"
    )
    assert "add local-llama to `cloud_models` under `files` in config.yaml" in failure.hint
    assert "set `local: true` there" in failure.hint
    assert backend.asked(CHAT) == []


def test_what_is_not_known_to_be_local_counts_as_cloud(backend):
    (failure,) = failures(delegation(litellm(backend)))
    assert failure.kind is Kind.CLOUD
    assert backend.asked(CHAT) == []


def test_a_text_that_is_not_private_goes_where_the_tool_says(backend):
    backend.deployments = [deployment("local-llama", None, "anthropic/claude-sonnet-5")]
    assert delegation(litellm(backend)).ask(TASK.but(private=False), Call()).answer.text == backend.answer
    assert backend.asked("/model/info") == []


@pytest.mark.parametrize("allowed", ["local-llama", "claude"])
def test_a_model_that_the_user_names_may_see_file_contents_wherever_it_runs(backend, allowed):
    backend.models = ["claude"]
    backend.deployments = [deployment("claude", None, "anthropic/claude-sonnet-5")]
    asked = delegation(litellm(backend, models={"local-llama": "claude"}), cloud_models=[allowed])
    assert asked.ask(TASK, Call()).model == "claude"


def test_another_name_that_the_user_allows_changes_nothing(backend):
    backend.deployments = [deployment("local-llama", None, "anthropic/claude-sonnet-5")]
    assert failures(delegation(litellm(backend), cloud_models=["local", "claude-sonnet-5"]))


def test_the_next_backend_with_a_local_model_gets_a_private_task(new_backend):
    cloud = new_backend(deployments=[deployment("local-llama", None, "openai/gpt-4o")])
    home = new_backend()
    answered = delegation(litellm(cloud), ollama(home)).ask(TASK, Call())
    assert answered.backend.name == "ollama"
    assert [attempt.failure.kind for attempt in answered.failed] == [Kind.CLOUD]


def test_a_private_task_forbids_litellm_to_fall_back_to_another_model(backend):
    backend.deployments = [deployment("local-llama", HERE)]
    asked = delegation(litellm(backend))
    asked.ask(TASK, Call())
    asked.ask(TASK.but(private=False), Call())
    assert [request.body.get("disable_fallbacks") for request in backend.asked(CHAT)] == [True, None]


def test_a_backend_that_does_not_tell_because_it_is_down_is_told_as_down(backend):
    dead = {"name": "litellm", "kind": "litellm", "url": f"http://127.0.0.1:{closed_port()}"}
    answered = delegation(dead, ollama(backend)).ask(TASK, Call())
    assert answered.failed[0].failure.text == "cannot be reached: connection refused"


def test_a_wrong_key_is_told_as_that_and_not_as_cloud(backend, monkeypatch):
    monkeypatch.setenv("LITELLM_API_KEY", "sk-wrong-secret")
    backend.key = "sk-right"
    (failure,) = failures(delegation(litellm(backend, api_key={"env": "LITELLM_API_KEY"})))
    assert failure.kind is Kind.KEY
