"""The page of authors and books in examples/, with SQLAlchemy on SQLite."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from . import example_programs

sql_async = example_programs.load("sql_async")

AUTHORS_QUERY = "SELECT author.id, author.name FROM author ORDER BY author.name"


@pytest.fixture
def database(tmp_path):
    """Return what runs a coroutine function with an engine of a database that is filled."""

    @contextlib.asynccontextmanager
    async def engine_of_database():
        engine = create_async_engine("sqlite+aiosqlite:///%s" % (tmp_path / "library.sqlite"))
        try:
            await sql_async.fill(engine)
            yield engine
        finally:
            await engine.dispose()

    def run(use):
        async def use_database():
            async with engine_of_database() as engine:
                return await use(engine)

        return asyncio.run(use_database())

    return run


def test_without_asynq_each_author_is_a_statement(database):
    async def use(engine):
        statements = sql_async.statements_of(engine)
        return await sql_async.plain_page(engine), statements

    page, statements = database(use)
    assert page[:3] == [
        "Author 00: no books",
        "Author 01: Volume 0 of 1",
        "Author 02: Volume 0 of 2, Volume 1 of 2",
    ]
    assert len(page) == 50
    assert len(statements) == 51
    assert statements[0] == AUTHORS_QUERY
    assert all("FROM book WHERE book.author_id = ? " in statement for statement in statements[1:])


def test_with_asynq_all_authors_are_a_statement(database):
    async def use(engine):
        plain = await sql_async.plain_page(engine)
        statements = sql_async.statements_of(engine)
        return await sql_async.page.asyncio(sql_async.Library(engine)), plain, statements

    page, plain, statements = database(use)
    assert page == plain
    assert len(statements) == 2
    assert statements[0] == AUTHORS_QUERY
    assert "FROM book WHERE book.author_id IN (%s)" % ", ".join("?" * 50) in statements[1]


def test_entries_of_different_coroutines_are_a_statement(database):
    async def use(engine):
        library = sql_async.Library(engine)
        ada, ben = (await library.authors())[1:3]
        statements = sql_async.statements_of(engine)
        entries = await asyncio.gather(
            sql_async.entry.asyncio(library, ada), sql_async.entry.asyncio(library, ben)
        )
        return entries, statements

    entries, statements = database(use)
    assert entries == ["Author 01: Volume 0 of 1", "Author 02: Volume 0 of 2, Volume 1 of 2"]
    assert len(statements) == 1


def test_a_statement_that_fails_fails_the_page_and_the_next_one_is_made(database):
    async def use(engine):
        library = sql_async.Library(engine)
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE book RENAME TO former"))
        with pytest.raises(OperationalError, match="no such table: book"):
            await sql_async.page.asyncio(library)
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE former RENAME TO book"))
        return await sql_async.page.asyncio(library)

    assert len(database(use)) == 50


def test_the_program_shows_the_statements():
    status, output, complaint = example_programs.run("sql_async")
    assert (status, complaint) == (0, "")
    assert output.startswith(
        "A page of 50 authors without asynq: 51 statements\n"
        "The same page with asynq: 2 statements\n"
        "    SELECT author.id, author.name FROM author ORDER BY author.name\n"
        "    SELECT book.id, "
    )
    assert len(output.splitlines()) == 4
