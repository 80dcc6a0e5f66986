"""Who wrote the commits of a git repository, asked of a database with and without batching.

Commits and authors are loaded into a SQLite database in memory. Then the program asks for the
author's name of every commit, which takes two lookups for each: the author of the commit, and the
name of the author. Functions written with asynq send all lookups of a kind as one query; the
plain functions after them send a query for each. Both must find the same names.

    python examples/author_names.py               the repository that this file is in
    python examples/author_names.py --repo DIR    another one
    python examples/author_names.py --csv FILE    a list of commits, where there is no git

The CSV is UTF-8 text. Its first line is "commit,name,email", and each line after it is a commit
with its author: an identifier that occurs once in the file, the name, the email (may be empty).
A name that holds a comma is quoted: "Lovelace, Ada".

The exit status is 0, 1 if the two answers differ, or 2 if there is nothing to work on.

"""

from __future__ import print_function

import argparse
import collections
import contextlib
import csv
import io
import os
import signal
import sqlite3
import subprocess
import sys
from timeit import default_timer

from asynq import BatchBase, BatchItemBase, asynq, result

TYPE_CHECKING = False
if TYPE_CHECKING:  # it is true for type checkers; Python 2 has no typing
    from typing import Any, Callable, Dict, Generator, List, Optional  # noqa: F401
    from typing import Tuple, Union  # noqa: F401

    Commit = Tuple[str, str, str]  # its hash, and the name and the email of its author
    Ask = Callable[["Database", List[str]], List[str]]

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CSV_HEADER = ["commit", "name", "email"]
# SQLite before 3.32 refuses a query with more variables.
MAX_VARIABLES = 999


class BadInput(Exception):
    """There is nothing to work on; the message says why."""


# The database


class Database(object):
    """The tables of authors and commits, which count the queries that they are sent.

    :param commits: a list of (hash, name of the author, email of the author).

    """

    def __init__(self, commits):
        # type: (List[Commit]) -> None
        self.queries = 0
        self.author_of_commit = Column(self, "commits", "hash", "author_id")
        self.name_of_author = Column(self, "authors", "id", "name")

        ids = {}  # type: Dict[Tuple[str, str], int]
        for _, name, email in commits:
            ids.setdefault((name, email), len(ids) + 1)
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute(
            "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT, email TEXT)"
        )
        self.connection.execute(
            "CREATE TABLE commits (hash TEXT PRIMARY KEY, author_id INTEGER REFERENCES authors)"
        )
        self.connection.executemany(
            "INSERT INTO authors VALUES (?, ?, ?)",
            [(author_id, name, email) for (name, email), author_id in ids.items()],
        )
        self.connection.executemany(
            "INSERT INTO commits VALUES (?, ?)",
            [(commit, ids[name, email]) for commit, name, email in commits],
        )

    def select(self, query, parameters):
        # type: (str, List[Any]) -> List[Tuple[Any, Any]]
        self.queries += 1
        return self.connection.execute(query, parameters).fetchall()

    def close(self):
        # type: () -> None
        self.connection.close()


class Column(object):
    """A column of a table, whose values are looked up by the table's key."""

    def __init__(self, database, table, key, value):
        # type: (Database, str, str, str) -> None
        self.database = database
        self.query = "SELECT %s, %s FROM %s WHERE %s IN (%%s)" % (key, value, table, key)
        self.current_batch = LookupBatch(self)

    def values_of(self, keys):
        # type: (List[Any]) -> Dict[Any, Any]
        """Return a dict of the values of those ``keys`` that the table has."""
        found = {}  # type: Dict[Any, Any]
        for start in range(0, len(keys), MAX_VARIABLES):
            some = keys[start : start + MAX_VARIABLES]
            found.update(self.database.select(self.query % ",".join("?" * len(some)), some))
        return found


# Batches: all lookups that are waited for at one time are one query


class LookupBatch(BatchBase):
    """The lookups in one column that go into one query."""

    def __init__(self, column):
        # type: (Column) -> None
        super(LookupBatch, self).__init__()
        self.column = column

    def _try_switch_active_batch(self):
        # type: () -> None
        if self.column.current_batch is self:
            self.column.current_batch = LookupBatch(self.column)

    def _flush(self):
        # type: () -> None
        # Many commits have the same author: ask once for each.
        keys = sorted(set(item.key for item in self.items))
        found = self.column.values_of(keys)
        for item in self.items:
            if item.key in found:
                item.set_value(found[item.key])
            else:
                item.set_error(KeyError(item.key))


class Lookup(BatchItemBase):
    """The future of one value of a column."""

    def __init__(self, column, key):
        # type: (Column, Any) -> None
        super(Lookup, self).__init__(column.current_batch)
        self.key = key


# The question, with asynq


@asynq()
def author_of_commit(database, commit):
    # type: (Database, str) -> Generator[Any, Any, int]
    author_id = yield Lookup(database.author_of_commit, commit)
    result(author_id)


@asynq()
def name_of_author(database, author_id):
    # type: (Database, int) -> Generator[Any, Any, str]
    name = yield Lookup(database.name_of_author, author_id)
    result(name)


@asynq()
def all_author_names(database, commits):
    # type: (Database, List[str]) -> Generator[Any, Any, List[str]]
    author_ids = yield [author_of_commit.asynq(database, commit) for commit in commits]
    names = yield [name_of_author.asynq(database, author_id) for author_id in author_ids]
    result(names)


# The same question without it


def plain_author_of_commit(database, commit):
    # type: (Database, str) -> int
    author_id = database.author_of_commit.values_of([commit])[commit]  # type: int
    return author_id


def plain_name_of_author(database, author_id):
    # type: (Database, int) -> str
    name = database.name_of_author.values_of([author_id])[author_id]  # type: str
    return name


def plain_all_author_names(database, commits):
    # type: (Database, List[str]) -> List[str]
    author_ids = [plain_author_of_commit(database, commit) for commit in commits]
    names = [plain_name_of_author(database, author_id) for author_id in author_ids]
    return names


# The input


def read_repository(directory):
    # type: (str) -> List[Commit]
    """Return the (hash, author's name, author's email) of each commit that HEAD leads to."""
    if not os.path.isdir(directory):
        raise BadInput("%s is not there or not a directory" % directory)
    git(directory, "rev-parse", "--git-dir")
    try:
        git(directory, "rev-parse", "--verify", "HEAD")
    except BadInput:
        raise BadInput("the git repository %s has no commits on its current branch" % directory)
    # Three lines for each commit. Unlike git log, rev-list heeds no settings of the user.
    listed = git(directory, "rev-list", "--encoding=UTF-8", "--format=%an%n%ae", "HEAD")
    lines = listed.decode("utf-8", "replace").split("\n")
    hashes = [line[len("commit ") :] for line in lines[:-1:3]]
    return list(zip(hashes, lines[1::3], lines[2::3]))


def git(directory, *arguments):
    # type: (str, *str) -> bytes
    """Return what a git command prints."""
    environment = dict(os.environ)
    # Hooks are run with this, and it would lead elsewhere than to ``directory``.
    environment.pop("GIT_DIR", None)
    try:
        process = subprocess.Popen(
            ("git", "-C", directory) + arguments,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise BadInput("can't run git: %s; is it installed?" % error.strerror)
    output, complaint = process.communicate()
    if process.returncode != 0:
        raise BadInput("git can't read %s: %s" % (directory, as_message(complaint).strip()))
    return output


def read_csv(path):
    # type: (str) -> List[Commit]
    """Return the (commit, author's name, author's email) of each line after the first."""
    expected = "expected %s" % ",".join(CSV_HEADER)
    commits = []  # type: List[Commit]
    seen = {}  # type: Dict[str, int]
    for number, line in enumerate(lines_of(path), 1):
        place = "%s, line %d" % (path, number)
        try:
            cells = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise BadInput("%s: %s, got a line with a mistake: %s" % (place, expected, error))
        if number == 1:
            if cells != CSV_HEADER:
                raise BadInput("%s: %s as the header, got something else" % (place, expected))
        elif cells:
            if len(cells) != len(CSV_HEADER):
                raise BadInput("%s: %s, got %d fields" % (place, expected, len(cells)))
            commit, name, email = [as_text(cell) for cell in cells]
            if not commit or not name:
                raise BadInput("%s: %s, got an empty commit or name" % (place, expected))
            if commit in seen:
                raise BadInput(
                    "%s: expected a commit once, got that of line %d again"
                    % (place, seen[commit])
                )
            seen[commit] = number
            commits.append((commit, name, email))
    if not commits:
        raise BadInput("%s has no commits: %s, then a line for each commit" % (path, expected))
    return commits


def lines_of(path):
    # type: (str) -> List[str]
    """Return the lines of a UTF-8 file, as the strings that the csv module takes."""
    try:
        with io.open(path, "rb") as source:
            content = source.read()
    except EnvironmentError as error:
        raise BadInput("can't read %s: %s" % (path, error.strerror))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise BadInput("%s, line %d: expected UTF-8 text, got other bytes" % (path, number))
    return [as_csv_line(line) for line in io.StringIO(text, newline="")]


# In Python 2 the csv module takes and gives bytes, and messages are made of bytes.
if sys.version_info < (3,):

    def as_csv_line(text):
        return text.encode("utf-8")

    def as_text(cell):
        return cell.decode("utf-8")

    def as_message(output):
        return output

else:

    def as_csv_line(text):
        # type: (str) -> str
        return text

    def as_text(cell):
        # type: (str) -> str
        return cell

    def as_message(output):
        # type: (bytes) -> str
        return output.decode("utf-8", "replace")


# The program


def main(argv=None):
    # type: (Optional[List[str]]) -> int
    parser = argparse.ArgumentParser(
        description="Find the authors of all commits, with and without batching.",
        epilog="The first line of the CSV is %s; then there is a line for each commit."
        % ",".join(CSV_HEADER),
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--repo",
        metavar="DIR",
        default=TOP,
        help="the git repository to ask about (default: %(default)s)",
    )
    source.add_argument("--csv", metavar="FILE", help="a list of commits, instead of a repository")
    arguments = parser.parse_args(argv)
    try:
        if arguments.csv is not None:
            commits = read_csv(arguments.csv)
        else:
            commits = read_repository(arguments.repo)
    except BadInput as error:
        show("author_names.py: %s" % error, sys.stderr)
        show("Give a git repository with --repo DIR or a list with --csv FILE.", sys.stderr)
        return 2
    with contextlib.closing(Database(commits)) as database:
        return compare(database, [commit for commit, _, _ in commits])


def compare(database, commits):
    # type: (Database, List[str]) -> int
    """Answer the question in both ways, print what was found and what it took."""
    names, queries, seconds = measure(all_author_names, database, commits)
    plain_names, plain_queries, plain_seconds = measure(plain_all_author_names, database, commits)
    if names != plain_names:
        show("author_names.py: the two answers differ, which must not be", sys.stderr)
        return 1

    counts = collections.Counter(names)
    show("commits  author")
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        show("%7d  %s" % (counts[name], name))
    show("")
    show("%-10s  %10s  %10s  %10s" % ("", "lookups", "queries", "time"))
    row = "%-10s  %10d  %10d  %7.1f ms"
    lookups = 2 * len(commits)
    show(row % ("asynq", lookups, queries, seconds * 1000))
    show(row % ("plain", lookups, plain_queries, plain_seconds * 1000))
    show("")
    show("The two answers are equal. This database is in memory; one that is asked over a network")
    show("takes the time of a round trip for each query.")
    return 0


def measure(ask, database, commits):
    # type: (Ask, Database, List[str]) -> Tuple[List[str], int, float]
    """Return what ``ask`` answers, how many queries it sent, and the seconds that it took."""
    queries = database.queries
    start = default_timer()
    names = ask(database, commits)
    return names, database.queries - queries, default_timer() - start


def show(line, stream=None):
    # type: (Union[str, bytes], Any) -> None
    """Print a line, also where the terminal doesn't know all of its characters."""
    stream = sys.stdout if stream is None else stream
    if not isinstance(line, bytes):
        line = line.encode(stream.encoding or "utf-8", "backslashreplace")
    getattr(stream, "buffer", stream).write(line + b"\n")


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        # End quietly when the output is piped into a program that stops reading, as head does.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
