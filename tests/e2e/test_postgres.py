"""The PostgreSQL of the tests is a real one: private, and empty whenever a test asks for a database."""

import psycopg
import pytest

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
