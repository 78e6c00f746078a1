"""What may be a secret is not printed; what plainly is none still is."""

import pytest

from supervisor_setup.secrets import MASK, masked


@pytest.mark.parametrize(
    "value",
    [
        {"env": {"ANYTHING": "x"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"api_key": "x"},
        {"litellm_params": {"api_key": "x"}},
        {"env": {"A": ["x"]}},
        {"MyToken": {"value": "x"}},
    ],
)
def test_a_secret_is_masked_wherever_it_stands(value):
    shown = str(masked(value))
    assert MASK in shown
    assert "'x'" not in shown
    assert "Bearer" not in shown


@pytest.mark.parametrize(
    "value",
    [
        {"env": {"LITELLM_API_KEY": "${LITELLM_API_KEY:-}"}},
        {"api_key": "os.environ/LITELLM_API_KEY"},
        {"api_key": "none"},
        {"command": "/usr/bin/x", "args": ["--config", "c"], "alwaysLoad": True, "n": 5},
        ["a", None, 1.5],
    ],
)
def test_references_and_ordinary_values_are_shown(value):
    assert masked(value) == value
