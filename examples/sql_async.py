"""The N+1 problem of a page of authors and their books, solved without eager loading.

    @asynq()
    def entry(library, author):
        books = yield library.books_of.asynq(author.id)
        return "%s: %s" % (author.name, ", ".join(book.title for book in books))

Each entry asks for the books of its author alone, as if there were no others. All that are waited
for at one time are one SELECT. Eager loading needs only one, too, but has whoever lists the authors
know what the entries are going to need.

Needs Python 3.8, sqlalchemy and aiosqlite. Run alone, it shows the statements that were sent::

    python examples/sql_async.py

"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from typing import Any, Dict, Generator, List, Optional, Sequence

from sqlalchemy import ForeignKey, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from asynq import BatchBase, BatchItemBase, FutureBase, async_proxy, asynq


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey(Author.id), index=True)


class Library:
    """Reads authors and books from a database. For one event loop."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        # The batch that new items join.
        self.batch = BooksBatch(self)

    async def authors(self) -> Sequence[Author]:
        """All authors, by name."""
        async with AsyncSession(self.engine) as session:
            return (await session.scalars(select(Author).order_by(Author.name))).all()

    @async_proxy()
    def books_of(self, author_id: int) -> FutureBase[List[Book]]:
        """The books of an author, by title."""
        return BooksItem(self.batch, author_id)


class BooksItem(BatchItemBase[List[Book]]):
    """The future of the books of one author."""

    def __init__(self, batch: BooksBatch, author_id: int) -> None:
        super().__init__(batch)
        self.author_id = author_id


class BooksBatch(BatchBase[BooksItem]):
    """The authors whose books go into one statement."""

    def __init__(self, library: Library) -> None:
        super().__init__()
        self.library = library

    def _try_switch_active_batch(self) -> None:
        if self.library.batch is self:
            self.library.batch = BooksBatch(self.library)

    async def _flush(self) -> None:
        books_of: Dict[int, List[Book]] = {item.author_id: [] for item in self.items}
        # A session of its own: no two statements may be under way in one.
        async with AsyncSession(self.library.engine) as session:
            query = select(Book).where(Book.author_id.in_(books_of)).order_by(Book.title)
            for book in await session.scalars(query):
                books_of[book.author_id].append(book)
        for item in self.items:
            item.set_value(books_of[item.author_id])


# The page with asynq


@asynq()
def entry(library: Library, author: Author) -> Generator[Any, Any, str]:
    books = yield library.books_of.asynq(author.id)
    return entry_text(author, books)


@asynq()
def page(library: Library) -> Generator[Any, Any, List[str]]:
    # On an event loop, a coroutine can be yielded as well.
    authors = yield library.authors()
    entries: List[str] = yield [entry.asynq(library, author) for author in authors]
    return entries


# The page without asynq


async def plain_entry(session: AsyncSession, author: Author) -> str:
    query = select(Book).where(Book.author_id == author.id).order_by(Book.title)
    return entry_text(author, (await session.scalars(query)).all())


async def plain_page(engine: AsyncEngine) -> List[str]:
    async with AsyncSession(engine) as session:
        authors = (await session.scalars(select(Author).order_by(Author.name))).all()
        return [await plain_entry(session, author) for author in authors]


def entry_text(author: Author, books: Sequence[Book]) -> str:
    return "%s: %s" % (author.name, ", ".join(book.title for book in books) or "no books")


# The demonstration

AUTHORS = 50


def statements_of(engine: AsyncEngine) -> List[str]:
    """A list to which each statement is added that ``engine`` sends from now on."""
    statements: List[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def add(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        statements.append(" ".join(statement.split()))

    return statements


async def fill(engine: AsyncEngine) -> None:
    """Store some authors, each with up to four books."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        for number in range(AUTHORS):
            session.add(Author(id=number, name="Author %02d" % number))
            for volume in range(number % 5):
                session.add(Book(title="Volume %d of %d" % (volume, number), author_id=number))
        await session.commit()


async def demonstrate(path: str) -> None:
    engine = create_async_engine("sqlite+aiosqlite:///" + path)
    try:
        await fill(engine)
        statements = statements_of(engine)
        plain = await plain_page(engine)
        print("A page of %d authors without asynq: %d statements" % (AUTHORS, len(statements)))

        del statements[:]
        batched = await page.asyncio(Library(engine))
        print("The same page with asynq: %d statements" % len(statements))
        for statement in statements:
            print("    " + (statement if len(statement) <= 90 else statement[:87] + "..."))
        assert batched == plain
    finally:
        await engine.dispose()


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Count the statements that make a page.")
    parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(demonstrate(os.path.join(directory, "library.sqlite")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
