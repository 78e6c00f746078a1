"""The PostgreSQL of the tests is a real one; what it says to the product is passed on, clearly."""

from pathlib import Path

import psycopg
import pytest

from supervisor_pipelines.store import Store
from supervisor_setup.errors import UserError

from .postgres import Postgres

pytestmark = pytest.mark.e2e


def test_each_database_is_new_and_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    first, second = postgres.fresh(), postgres.fresh()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE notes (text text)")
    with psycopg.connect(second) as connection:
        found = connection.execute("SELECT to_regclass('notes')").fetchone()
    assert found == (None,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(second.replace("password-of-the-tests", "wrong"))


@pytest.mark.parametrize(
    ("part", "wrong", "said"),
    [
        (":password-of-the-tests@", ":not-it@", "lets nobody in so (connection failed"),
        ("/tests_", "/missing_", "lets nobody in so (connection failed"),
        (":{port}/", ":1/", "cannot be reached (connection failed"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    postgres: Postgres, tmp_path: Path, part: str, wrong: str, said: str
) -> None:
    url = postgres.fresh().replace(part.format(port=postgres.port), wrong)
    store = Store.open(tmp_path, url)
    with pytest.raises(UserError) as failure:
        store.create_tables()
    assert said in failure.value.message
    assert failure.value.message.startswith("postgresql://tests:***@127.0.0.1:")
    store.close()
