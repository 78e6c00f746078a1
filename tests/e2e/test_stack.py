"""The real local side answers, before anything of the product is held against it."""

import pytest

from .stack import CAPITAL_QUESTION, MODELS, Stack

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("model", MODELS)
def test_a_model_behind_litellm_knows_the_capital_of_france(stack: Stack, model: str) -> None:
    assert "Paris" in stack.complete(CAPITAL_QUESTION, model=model)
