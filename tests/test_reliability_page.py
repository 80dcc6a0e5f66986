"""docs/reliability.rst names the test that holds each promise: all of them exist."""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def text_of(*path):
    with open(os.path.join(ROOT, *path), "rb") as source:
        return source.read().decode("utf-8")


def names_of_tests(path):
    # Not parsed, because Python 2 does not know the syntax of all.
    return set(re.findall(r"^ *def (test_\w+)\(", text_of(*path.split("/")), re.M))


def test_every_test_that_the_page_names_exists():
    page = text_of("docs", "reliability.rst")
    named = re.findall(r"``(tests/\w+\.py)(?:::(\w+))?``", page)
    assert len(named) > 40
    assert [
        "::".join(pair) for pair in named if pair[1] and pair[1] not in names_of_tests(pair[0])
    ] == []
    assert all(os.path.exists(os.path.join(ROOT, path)) for path, _ in named)
    # None is hidden from the search above by its spelling.
    assert len(re.findall(r"test_\w+", page)) == sum(1 + bool(name) for _, name in named)


def test_every_promise_names_a_test():
    page = text_of("docs", "reliability.rst")
    promises = page[: page.index("What is not promised\n")]
    parts = re.split(r"\n(?=\*\*[A-Z])", promises)[1:]
    assert len(parts) > 12
    assert [part for part in parts if "tests/test_" not in part] == []


def test_the_readme_leads_to_the_page():
    assert "docs/reliability.rst" in text_of("README.rst")
