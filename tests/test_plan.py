"""The three-way table: what was written, what is there, what is wanted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_setup.artefacts import ABSENT, Group, digest, file_artefact
from supervisor_setup.manifest import Prior, Record
from supervisor_setup.plan import Decision, make_plan

A, W, OTHER = b"as written", b"as wanted", b"something else"
PATH = Path("/home/u/.claude/agents/explorer.md")


def decision(written, actual, wanted, *, prior=Prior.ABSENT, overwrite=False):
    address = file_artefact(Group.AGENTS, PATH, b"").address
    desired = [] if wanted is None else [file_artefact(Group.AGENTS, PATH, wanted)]
    records = {} if written is None else {address: Record(address, Group.AGENTS, digest(written), prior)}
    observed = {address: ABSENT if actual is None else actual}
    (operation,) = make_plan(desired, observed, records, overwrite=overwrite)
    return operation.decision


@pytest.mark.parametrize(
    ("written", "actual", "wanted", "expected"),
    [
        (None, None, W, Decision.CREATE),
        (None, W, W, Decision.ADOPT),
        (None, OTHER, W, Decision.KEEP_USERS),
        (A, A, A, Decision.UNCHANGED),
        (A, A, W, Decision.UPDATE),
        (A, W, W, Decision.UNCHANGED),
        (A, None, W, Decision.RESTORE),
        (A, OTHER, A, Decision.KEEP_EDITED),
        (A, OTHER, W, Decision.KEEP_BOTH),
        (A, A, None, Decision.REMOVE),
        (A, None, None, Decision.FORGET),
        (A, OTHER, None, Decision.KEEP_ORPHAN),
    ],
)
def test_each_row_of_the_table_has_its_decision(written, actual, wanted, expected):
    assert decision(written, actual, wanted) is expected


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"),
    [
        (A, A, Decision.UNCHANGED),
        (A, W, Decision.KEEP_USERS),
        (A, None, Decision.RELEASE),
        (None, W, Decision.CREATE),
        (OTHER, None, Decision.RELEASE),
    ],
)
def test_what_the_user_had_before_us_is_never_updated_or_removed(actual, wanted, expected):
    assert decision(A, actual, wanted, prior=Prior.EQUAL) is expected


@pytest.mark.parametrize(("written", "wanted"), [(None, W), (A, A), (A, W)])
def test_overwrite_replaces_what_is_not_ours(written, wanted):
    assert decision(written, OTHER, wanted, overwrite=True) is Decision.OVERWRITE


contents = st.sampled_from([None, A, W, OTHER])


@given(written=contents, actual=contents, wanted=contents, prior=st.sampled_from(Prior))
def test_without_overwrite_nothing_that_we_did_not_write_is_ever_changed(written, actual, wanted, prior):
    if written is None and wanted is None:
        return
    found = decision(written, actual, wanted, prior=prior)
    ours = written is not None and actual == written and prior is not Prior.EQUAL
    if actual is not None and not ours:
        assert not found.writes
