# -*- coding: utf-8 -*-
"""The program that finds the authors of commits: what it prints, asks, and complains about."""

import contextlib
import os
import platform
import subprocess

import pytest

from . import example_programs

author_names = example_programs.load("author_names")

ADA = (u"Ada Løvelace, Countess", u"ada@example.org")
BOB = (u"Bob", u"bob@example.org")


def git(directory, *arguments, **environment):
    """Run git in ``directory``, without the settings of whoever runs the tests."""
    variables = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", HOME=str(directory))
    variables.update(environment)
    variables.pop("GIT_DIR", None)
    try:
        process = subprocess.Popen(
            ("git", "-C", str(directory)) + arguments,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError:
        example_programs.leave_out("git", "apt install git, or brew install git")
    output, _ = process.communicate()
    assert process.returncode == 0, output


def commit(directory, name, email):
    git(
        directory,
        "commit",
        "--quiet",
        "--allow-empty",
        "--message=A commit",
        GIT_AUTHOR_NAME=name if isinstance(name, bytes) else name.encode("utf-8"),
        GIT_AUTHOR_EMAIL=str(email),
        GIT_COMMITTER_NAME="Carol",
        GIT_COMMITTER_EMAIL="carol@example.org",
    )


@pytest.fixture
def empty_repository(tmpdir):
    directory = tmpdir.mkdir("repository")
    git(directory, "init", "--quiet")
    return directory


@pytest.fixture
def repository(empty_repository):
    for name, email in (BOB, ADA, BOB):
        commit(empty_repository, name, email)
    return empty_repository


@pytest.fixture
def csv_file(tmpdir):
    """A function that writes a file and returns its path."""

    def write(content):
        path = tmpdir.join("commits.csv")
        path.write_binary(content if isinstance(content, bytes) else content.encode("utf-8"))
        return str(path)

    return write


def table_of(output):
    """The (commits, author) of the lines that are printed below the first heading."""
    lines = output.split("\n")
    assert lines[0] == "commits  author"
    rows = [line.strip().split("  ", 1) for line in lines[1 : lines.index("")]]
    return [(int(count), name) for count, name in rows]


def costs_of(output):
    """The lookups and queries of each of the two ways."""
    rows = [line.split() for line in output.split("\n")]
    return dict(
        (row[0], (int(row[1]), int(row[2]))) for row in rows if row and row[0] in ("asynq", "plain")
    )


def assert_complains(answer, *texts):
    status, output, complaint = answer
    assert status == 2
    assert output == ""
    assert "Traceback" not in complaint
    for text in texts:
        assert text in complaint


# What it finds


def test_all_authors_of_a_repository_are_counted(repository):
    status, output, complaint = example_programs.run("author_names", "--repo", str(repository))
    assert (status, complaint) == (0, "")
    assert table_of(output) == [(2, BOB[0]), (1, ADA[0])]
    assert costs_of(output) == {"asynq": (6, 2), "plain": (6, 6)}


def test_the_author_counts_and_not_the_committer(repository):
    assert [(name, email) for _, name, email in author_names.read_repository(str(repository))] == [
        BOB,
        ADA,
        BOB,
    ]


def test_names_in_another_encoding_are_understood(empty_repository):
    git(empty_repository, "config", "i18n.commitEncoding", "latin-1")
    commit(empty_repository, u"Zoë".encode("latin-1"), "zoe@example.org")
    assert [name for _, name, _ in author_names.read_repository(str(empty_repository))] == [u"Zoë"]


def test_settings_of_the_user_do_not_disturb(repository):
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "log.follow", "true")
    git(repository, "config", "color.ui", "always")
    assert len(author_names.read_repository(str(repository))) == 3


def test_the_repository_that_is_asked_for_is_read_inside_a_hook(repository, tmpdir):
    elsewhere = str(tmpdir.join("elsewhere"))
    status, output, _ = example_programs.run(
        "author_names", "--repo", str(repository), GIT_DIR=elsewhere
    )
    assert status == 0
    assert len(table_of(output)) == 2


def test_a_csv_is_read_in_place_of_a_repository(csv_file):
    path = csv_file(
        u'commit,name,email\n1,Bob,bob@example.org\n\n2,"%s",%s\n3,Bob,\n4,"A ""B"" C",\n' % ADA
    )
    status, output, complaint = example_programs.run("author_names", "--csv", path)
    assert (status, complaint) == (0, "")
    assert table_of(output) == [(2, u"Bob"), (1, u'A "B" C'), (1, ADA[0])]
    # Bob counts twice, because he has two emails.
    assert costs_of(output) == {"asynq": (8, 2), "plain": (8, 8)}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_csv_of_any_system_is_read(csv_file, end, mark):
    text = end.join(["commit,name,email", u"1,Bøb,b", "2,Carol,c"])
    commits = author_names.read_csv(csv_file(mark + text.encode("utf-8")))
    assert commits == [("1", u"Bøb", "b"), ("2", "Carol", "c")]


def test_names_are_printed_where_the_terminal_does_not_know_their_letters(csv_file):
    path = csv_file(u"commit,name,email\n1,Løv,\n")
    status, output, complaint = example_programs.run(
        "author_names", "--csv", path, PYTHONIOENCODING="ascii"
    )
    assert (status, complaint) == (0, "")
    assert table_of(output) == [(1, "L\\xf8v")]


# What it asks


@pytest.fixture
def database():
    """Two thousand commits of three authors."""
    commits = [("hash %d" % number, "Name %d" % (number % 3), "") for number in range(2000)]
    with contextlib.closing(author_names.Database(commits)) as opened:
        yield opened


def test_two_hundred_names_take_two_queries(database):
    hashes = ["hash %d" % number for number in range(200)]
    names = author_names.all_author_names(database, hashes)
    assert names == ["Name %d" % (number % 3) for number in range(200)]
    assert database.queries == 2


def test_a_query_has_no_more_variables_than_old_versions_of_sqlite_allow(database):
    hashes = ["hash %d" % number for number in range(2000)]
    names = author_names.all_author_names(database, hashes)
    assert names == ["Name %d" % (number % 3) for number in range(2000)]
    # 999 + 999 + 2 commits, then the names.
    assert database.queries == 4


def test_plain_functions_take_a_query_for_each_lookup(database):
    assert author_names.plain_all_author_names(database, ["hash 5", "hash 4", "hash 5"]) == [
        "Name 2",
        "Name 1",
        "Name 2",
    ]
    assert database.queries == 6


def test_a_lookup_that_finds_nothing_fails_alone(database):
    unknown = author_names.author_of_commit.asynq(database, "unknown")
    known = author_names.author_of_commit.asynq(database, "hash 4")
    with pytest.raises(KeyError):
        author_names.all_author_names(database, ["hash 1", "unknown"])
    assert author_names.name_of_author(database, known.value()) == "Name 1"
    assert isinstance(unknown.error(), KeyError)


def test_answers_that_differ_are_status_1(monkeypatch, capfd, csv_file):
    monkeypatch.setattr(author_names, "plain_name_of_author", lambda database, author_id: "Nobody")
    assert author_names.main(["--csv", csv_file("commit,name,email\n1,Bob,\n")]) == 1
    output, complaint = capfd.readouterr()
    assert output == ""
    assert complaint == "author_names.py: the two answers differ, which must not be\n"


# What it complains about


def test_help_names_the_choices():
    status, output, _ = example_programs.run("author_names", "--help")
    assert status == 0
    assert "--repo DIR" in output
    assert "--csv FILE" in output
    assert "commit,name,email" in output


def test_a_repository_and_a_csv_together_are_too_much():
    assert_complains(
        example_programs.run("author_names", "--repo", "a", "--csv", "b"), "not allowed with"
    )


def test_a_repository_that_is_not_there_is_status_2(tmpdir):
    path = str(tmpdir.join("nowhere"))
    assert_complains(
        example_programs.run("author_names", "--repo", path),
        "author_names.py: %s is not there or not a directory\n" % path,
        "Give a git repository with --repo DIR or a list with --csv FILE.\n",
    )


def test_a_repository_without_commits_is_status_2(empty_repository):
    assert_complains(
        example_programs.run("author_names", "--repo", str(empty_repository)),
        "the git repository %s has no commits on its current branch" % empty_repository,
    )


def test_a_directory_without_a_repository_is_status_2(tmpdir):
    git(tmpdir, "--version")
    assert_complains(
        example_programs.run(
            "author_names", "--repo", str(tmpdir), GIT_CEILING_DIRECTORIES=str(tmpdir.dirpath())
        ),
        "git can't read %s: " % tmpdir,
        "not a git repository",
    )


def test_no_git_is_status_2(tmpdir):
    assert_complains(
        example_programs.run("author_names", "--repo", str(tmpdir), PATH=str(tmpdir)),
        "can't run git: No such file or directory",
        "is it installed?",
    )


EXPECTED = "expected commit,name,email"
# What the csv module says; PyPy's names the line, too.
UNFINISHED = "line 1: " if platform.python_implementation() == "PyPy" else ""
UNFINISHED += "unexpected end of data"


@pytest.mark.parametrize(
    "content, complaint",
    [
        ("", " has no commits: " + EXPECTED),
        ("commit,name,email\n", " has no commits: " + EXPECTED),
        ("hash,who\n1,Bob\n", ", line 1: " + EXPECTED + " as the header, got something else"),
        ("\n1,Bob,\n", ", line 1: " + EXPECTED + " as the header, got something else"),
        ("commit,name,email\n1,Bob\n", ", line 2: " + EXPECTED + ", got 2 fields"),
        ("commit,name,email\n1,Bob,\n2,Bob,,\n", ", line 3: " + EXPECTED + ", got 4 fields"),
        ("commit,name,email\n1,,e\n", ", line 2: " + EXPECTED + ", got an empty commit or name"),
        ("commit,name,email\n,Bob,e\n", ", line 2: " + EXPECTED + ", got an empty commit or name"),
        (
            'commit,name,email\n1,"Bob,e\n2,Carol,"e"\n',
            ", line 2: " + EXPECTED + ", got a line with a mistake: " + UNFINISHED,
        ),
        (
            "commit,name,email\n1,Bob,\n2,Bob,\n1,Bob,\n",
            ", line 4: expected a commit once, got that of line 2 again",
        ),
        (
            b"commit,name,email\n1,Bob,\n2,Zo\xeb,\n",
            ", line 3: expected UTF-8 text, got other bytes",
        ),
        (u"commit,name,email\n1,Bob,\n".encode("utf-16"), ", line 1: expected UTF-8 text"),
    ],
)
def test_a_csv_with_a_mistake_is_status_2_and_the_line_is_named(csv_file, content, complaint):
    path = csv_file(content)
    assert_complains(
        example_programs.run("author_names", "--csv", path), "author_names.py: " + path + complaint
    )


def test_a_csv_that_cannot_be_read_is_status_2(tmpdir):
    assert_complains(
        example_programs.run("author_names", "--csv", str(tmpdir)),
        "can't read %s: Is a directory" % tmpdir,
    )
    path = str(tmpdir.join("nowhere.csv"))
    assert_complains(
        example_programs.run("author_names", "--csv", path),
        "can't read %s: No such file or directory" % path,
    )


# How the tests of the examples leave something out


def test_what_is_missing_is_left_out_only_where_that_is_allowed():
    with pytest.raises(pytest.skip.Exception, match="x is not installed. Cure: install x"):
        example_programs.leave_out("x", "install x", {})
    with pytest.raises(pytest.fail.Exception, match="x is not installed. Cure: install x"):
        example_programs.leave_out("x", "install x", {"CI": "true"})
