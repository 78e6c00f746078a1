"""JSON that fits the schema, and nothing that nearly does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from scripted_model import core_in, entry, prompts, scripted, serve

from supervisor_mcp.calls import Call
from supervisor_mcp.tools import extract, json_answers, schemas
from supervisor_mcp.tools.asking import Said
from supervisor_mcp.tools.jobs import Unusable


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Notes to sort and to take data out of."""
    folder = tmp_path / "project"
    (folder / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.md", "in/b.md", "in/c.md", "in/deep/d.md", "e.md"):
        (folder / name).write_text(f"note {name}: it does not work\n")
    return folder


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}  # fmt: skip


def records(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_each_file_gives_one_line_of_json_that_fits(project, backend):
    scripted(backend, lambda asked: json.dumps({"name": asked.title, "age": 5}))
    text = serve(project, backend, "extract", paths=["in"], schema=PERSON).text
    assert records(text) == [
        {"file": path, "data": {"name": path, "age": 5}}
        for path in ("in/a.md", "in/b.md", "in/c.md", "in/deep/d.md")
    ]
    assert prompts(backend)[0].schema == PERSON
    assert '"additionalProperties": false' in prompts(backend)[0].task


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"age": 5}', "does not fit the schema at the top: 'name' is a required property"),
        ('{"name": 5}', "does not fit the schema at name: 5 is not of type 'string'"),
        ('{"name": "x", "tags": ["a", 1]}', "does not fit the schema at tags/1"),
        ('{"name": "x", "more": 1}', "Additional properties are not allowed"),
        ('{"name": "x"', "is no JSON"),
        ("Here it is: {}", "is no JSON"),
        ('{"name": "x"} and more', "is no JSON"),
        ('{"name": NaN}', "is no JSON"),
        ("".join(f'{{"a{number}": ' for number in range(3000)), "is no JSON"),
        (('{"name": "x', "length"), "was cut off: it is too long for `max_output_tokens`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_failure_of_its_file_and_never_nearly_json(project, backend, said, reason):
    scripted(backend, lambda asked: said if asked.title == "e.md" else '{"name": "x"}')
    outcome = serve(project, backend, "extract", paths=["."], schema=PERSON)
    assert not outcome.is_error
    assert len(records(outcome.text)) == 4
    failure = next(line for line in outcome.text.splitlines() if line.startswith("[Failed: e.md: "))
    assert reason in failure
    alone = serve(project, backend, "extract", paths=["e.md"], schema=PERSON)
    assert alone.is_error
    assert records(alone.text) == []


def test_a_file_in_several_parts_gives_one_object_of_all_and_that_is_said(project, backend):
    (project / "long.md").write_text("word word\n" * 6000)
    count = [0]

    def reply(_asked):
        count[0] += 1
        return json.dumps(
            {"name": ["", "Ann", "Ben"][min(count[0] - 1, 2)], "tags": ["all", f"part {count[0]}"]}
        )

    scripted(backend, reply)
    core = core_in(project, entry(backend, parallel=1))
    text = core.call("extract", {"paths": ["long.md"], "schema": PERSON}, Call()).text
    (record,) = records(text)
    parts = len(prompts(backend))
    assert parts > 2
    assert record["data"] == {
        "name": "Ann",
        "tags": ["all", *(f"part {number}" for number in range(1, parts + 1))],
    }
    assert "[Read in several parts, and the data put together: long.md.]" in text


def test_parts_that_do_not_fit_when_put_together_or_of_which_one_failed_are_failures(project, backend):
    (project / "long.md").write_text("word word\n" * 6000)
    schema = {"type": "array", "items": {"type": "integer"}, "maxItems": 2}
    count = [0]

    def reply(_asked):
        count[0] += 1
        return json.dumps([count[0]])

    scripted(backend, reply)
    outcome = serve(project, backend, "extract", paths=["long.md"], schema=schema)
    assert outcome.is_error
    assert "[Failed: long.md: the model's answer does not fit the schema" in outcome.text
    scripted(backend, lambda _asked: "nonsense" if len(prompts(backend)) % 2 else "[1]")
    outcome = serve(project, backend, "extract", paths=["long.md"], schema=schema)
    assert outcome.is_error
    assert records(outcome.text) == []


def test_control_and_direction_characters_come_as_escapes_of_the_same_value(project, backend):
    name = "a\u001b[31m\u202eb\u0000\u2028é\U0001f600"
    scripted(backend, lambda _asked: json.dumps({"name": name}))
    text = serve(project, backend, "extract", paths=["e.md"], schema=PERSON).text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "é\U0001f600" in text
    assert records(text)[0]["data"]["name"] == name


def test_a_record_larger_than_a_page_is_a_failure_and_pages_cut_between_records(project, backend):
    scripted(backend, lambda asked: json.dumps({"name": "x" * (5000 if asked.title == "e.md" else 700)}))
    core = core_in(project, entry(backend), tools={"extract": {"max_output_chars": 2000}})
    text = core.call("extract", {"paths": ["."], "schema": PERSON}, Call()).text
    found, calls = records(text), 1
    while "characters follow" in text:
        assert 'For them call extract(paths=["next-page:' in text
        token = text.rpartition('paths=["')[2].partition('"')[0]
        text = core.call("extract", {"paths": [token], "schema": {}}, Call()).text
        found += records(text)
        calls += 1
    assert len(found) == 4
    assert calls == 2
    assert "[Failed: e.md: the data have 50" in text
    assert "more than one result holds; ask for less" in text


simple = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"enum": ["a", 1]}, True]),
    lambda inner: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one}, inner),
        st.dictionaries(st.sampled_from(["p", "q", "r"]), inner, max_size=3).map(
            lambda properties: {"type": "object", "properties": properties, "required": list(properties)[:1]}
        ),
    ),
    max_leaves=6,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["p", "q", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(simple, values)
def test_what_comes_out_always_fits_the_schema_as_the_caller_wrote_it(schema, value):
    root = {"type": "object", "properties": {"it": schema}, "required": ["it"]}
    prepared = schemas.prepared(root)
    said = Said(text=json.dumps({"it": value}), cut=False)
    fits = Draft202012Validator(root).is_valid({"it": value})
    try:
        found = extract._value(said, None, schema=prepared)
    except Unusable:
        assert not fits
    else:
        assert fits
        assert found == {"it": value}


@given(values, values)
def test_joining_the_data_of_two_parts_keeps_what_the_first_said(left, right):
    joined = extract.joined(left, right)
    if isinstance(left, list) and isinstance(right, list):
        assert joined[: len(left)] == left
    elif not isinstance(left, dict) and left not in (None, ""):
        assert joined == left
    assert extract.joined(None, right) == right


def test_an_answer_nested_beyond_all_bounds_is_no_answer():
    with pytest.raises(Unusable, match="no JSON"):
        json_answers.parsed(Said(text="[" * 100_000, cut=False))


def test_checking_a_deep_value_comes_to_an_end(monkeypatch):
    def recurse(*_arguments):
        raise RecursionError

    monkeypatch.setattr(Draft202012Validator, "iter_errors", recurse)
    with pytest.raises(Unusable, match="nested too deeply"):
        extract._validate({}, {"type": "object"})
