"""Items of YAML lists, as in LiteLLM's model_list: added, changed and removed without a trace."""

import pytest

from supervisor_setup.edit import EditError
from supervisor_setup.edit.undo import Change, Undo
from supervisor_setup.edit.yaml_entries import Place, remove_list_entry, set_list_entry

MODELS: Place = ("model_list",)
MODEL = {"model_name": "local", "litellm_params": {"model": "ollama_chat/llama3.1:8b", "timeout": 600}}
LINES = "- model_name: local\n  litellm_params:\n    model: ollama_chat/llama3.1:8b\n    timeout: 600\n"
INDENTED = "".join(f"  {line}\n" for line in LINES.splitlines())
BRACES = "{model_name: local, litellm_params: {model: ollama_chat/llama3.1:8b, timeout: 600}}"

ADDITIONS = {
    "empty": ("", f"model_list:\n{INDENTED}"),
    "no_list": ("# c\na: 1 # d", f"# c\na: 1 # d\nmodel_list:\n{INDENTED.rstrip()}"),
    "a_list_left_out": ("model_list: # c\na: 1\n", f"model_list: # c\n{INDENTED}a: 1\n"),
    "an_empty_list": ("model_list: [ ] # c\n", f"model_list: [{BRACES}] # c\n"),
    "braces_for_a_document": ("{ }", f"{{model_list: [{BRACES}]}}"),
    "items_at_their_keys_indent": ("model_list:\n- a: 1\nb: 2\n", f"model_list:\n- a: 1\n{LINES}b: 2\n"),
    "indented_items_and_comments": (
        "model_list:\n  # 1\n  - model: a\n    x: &p\n      y: 1\n      # 3\n  # 4\n\nb: *p\n",
        f"model_list:\n  # 1\n  - model: a\n    x: &p\n      y: 1\n      # 3\n{INDENTED}  # 4\n\nb: *p\n",
    ),
    "items_in_braces": ("model_list: [{a: 1}]\n", f"model_list: [{{a: 1}}, {BRACES}]\n"),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("before", "after"), ADDITIONS.values(), ids=ADDITIONS)
def test_an_item_is_added_once_and_goes_without_a_trace(before: str, after: str, newline: str) -> None:
    newline = newline if "\n" in before else "\n"
    document, expected = (text.replace("\n", newline).encode() for text in (before, after))
    edited, undo = set_list_entry(document, MODELS, "model_name", MODEL)
    assert edited == expected
    assert set_list_entry(edited, MODELS, "model_name", MODEL) == (edited, Undo(Change.KEPT))
    assert remove_list_entry(edited, MODELS, "model_name", "local", undo) == document


def test_an_item_of_the_same_name_is_changed_in_its_place_and_comes_back() -> None:
    document = (
        b"model_list:\n  - model_name: local # c\n    litellm_params:\n      timeout: 5 # mine\n  - a: 1\n"
    )
    edited, undo = set_list_entry(document, MODELS, "model_name", MODEL)
    assert edited == (
        b"model_list:\n  - model_name: local # c\n    litellm_params:\n      timeout: 600 # mine\n"
        b"      model: ollama_chat/llama3.1:8b\n  - a: 1\n"
    )
    assert remove_list_entry(edited, MODELS, "model_name", "local", undo) == document


def test_what_was_added_beside_an_item_outlives_it() -> None:
    edited, undo = set_list_entry(b"", MODELS, "model_name", MODEL)
    theirs, _ = set_list_entry(edited, MODELS, "model_name", {"model_name": "theirs"})
    after = remove_list_entry(theirs, MODELS, "model_name", "local", undo)
    assert after == b"model_list:\n  - model_name: theirs\n"


def test_an_item_is_not_restored_into_a_document_that_was_indented_anew() -> None:
    undo = Undo(Change.REPLACED, prior="model_name: local\n    timeout: 5")
    with pytest.raises(EditError, match="cannot be changed without"):
        remove_list_entry(b"model_list:\n- model_name: local\n", MODELS, "model_name", "local", undo)


@pytest.mark.parametrize(
    "document",
    [
        b"model_list: [{model_name: a}, # theirs\n  {model_name: local}]\n",
        b"model_list: [{model_name: local}, # theirs\n  {model_name: a}]\n",
        b"model_list: [{model_name: local} # theirs\n  ]\n",
    ],
)
def test_an_item_in_brackets_is_not_removed_with_a_comment_beside_it(document: bytes) -> None:
    with pytest.raises(EditError, match="comments beside it"):
        remove_list_entry(document, MODELS, "model_name", "local", Undo(Change.INSERTED))


def test_items_in_brackets_are_removed_with_one_comma() -> None:
    undo = Undo(Change.INSERTED, filler=" ")
    for before, after in (
        (b"model_list: [{model_name: local}, {a: 1}]", b"model_list: [{a: 1}]"),
        (b"model_list: [{a: 1} , {model_name: local} ]", b"model_list: [{a: 1} ]"),
        (b"model_list: [{model_name: local}]", b"model_list: [ ]"),
    ):
        assert remove_list_entry(before, MODELS, "model_name", "local", undo) == after


def test_an_item_that_shares_its_line_with_its_list_is_not_cut_out() -> None:
    document = b"- - model_name: local\n"
    with pytest.raises(EditError, match="shares its line"):
        remove_list_entry(document, (0,), "model_name", "local", Undo(Change.INSERTED))


def test_the_document_itself_is_never_taken_for_a_parent_that_was_created() -> None:
    edited, _ = set_list_entry(b"", MODELS, "model_name", MODEL)
    undo = Undo(Change.INSERTED, created=9)
    assert remove_list_entry(edited, MODELS, "model_name", "local", undo) == b""


def test_an_item_that_was_there_or_is_gone_is_left_alone() -> None:
    document = f"model_list: [{BRACES}]".encode()
    assert remove_list_entry(document, MODELS, "model_name", "local", Undo(Change.KEPT)) == document
    assert remove_list_entry(b"a: 1", MODELS, "model_name", "local", Undo(Change.INSERTED)) == b"a: 1"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b"model_list: 5\n", "1:1: not a list"),
        (b"model_list: null\n", "1:13: this is a single value, not a list"),
        (b"model_list:\n- model_name: local\n- model_name: local\n", "3:1: stands here a second time"),
        (b"a: &n []\nmodel_list: *n\n", "2:13: this is an alias, not a list"),
        (
            b"a: &n [{model_name: local}]\nmodel_list: *n\n",
            "2:13: this is an alias, so `0` in it cannot be changed here",
        ),
        (
            b"a: &n {model_name: local}\nmodel_list: [*n]\n",
            "2:14: this is an alias, so it has no `litellm_params`",
        ),
    ],
)
def test_a_list_that_must_not_be_guessed_at_is_refused(document: bytes, complaint: str) -> None:
    with pytest.raises(EditError) as caught:
        set_list_entry(document, MODELS, "model_name", MODEL)
    assert str(caught.value) == complaint
