"""The README and the page on asyncio are right: every block of Python in them runs.

The first block of a page is a complete program, which the others continue: each of these runs by
itself, after the program, in a new module that takes the place of ``__main__``.

All of this is skipped on Python 2, where the blocks are no syntax.

"""

import ast
import os
import re
import sys
import textwrap
import types

import pytest

pytestmark = pytest.mark.skipif(
    sys.version_info < (3,),
    reason="the pages are written for Python 3, whose generators can return values",
)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.rst", "docs/asyncio.rst"]

# What blocks use that not every Python has, and from which one on.
NEEDED = [("import asyncio", (3, 7)), ("asyncio.timeout(", (3, 11))]


def path_of(page):
    return os.path.join(ROOT, *page.split("/"))


def lines_of(page):
    with open(path_of(page), "rb") as source:
        return source.read().decode("utf-8").splitlines()


def blocks_of(page):
    """The blocks of Python, as (page, number of the first line, source) triples."""
    lines = lines_of(page)
    blocks = []
    for number, line in enumerate(lines):
        if line == ".. code-block:: python":
            end = number + 1
            while end < len(lines) and re.match("$|    ", lines[end]):
                end += 1
            block = textwrap.dedent("\n".join(lines[number + 1 : end]))
            blocks.append((page, number + 2, block))
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROGRAMS = {page: blocks_of(page)[0] for page in PAGES}

each_page = pytest.mark.parametrize("page", PAGES)
each_block = pytest.mark.parametrize(
    "block", BLOCKS, ids=["%s:%d" % (page, line) for page, line, _ in BLOCKS]
)


@pytest.fixture
def main(monkeypatch):
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def run(block, module):
    page, line, source = block
    for used, version in NEEDED:
        if used in source and sys.version_info < version:
            pytest.skip("%r needs Python %d.%d" % ((used,) + version))
    # Behind empty lines, so that tracebacks point into the page.
    code = compile("\n" * (line - 1) + source, path_of(page), "exec")
    exec(code, module.__dict__)  # noqa: S102


@each_block
def test_a_block_runs_after_the_program(block, main, capsys):
    program = PROGRAMS[block[0]]
    run(program, main)
    if block != program:
        run(block, main)


@each_block
def test_a_block_asserts_what_it_shows(block):
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(block[2])))


@each_page
def test_the_program_prints_what_is_written_beside_its_print(page, main, capsys):
    run(PROGRAMS[page], main)
    printed = capsys.readouterr().out
    assert re.search(r"print\(.*\)  # (.*\n)", PROGRAMS[page][2]).group(1) == printed


@each_page
def test_all_code_blocks_are_of_python(page):
    directives = [line for line in lines_of(page) if re.match(r"\s*\.\. .*::", line)]
    others = [line for line in directives if not line.startswith(".. image:: ")]
    assert others == [".. code-block:: python"] * len(blocks_of(page))


def test_the_pictures_are_there():
    images = [line for line in lines_of("README.rst") if line.startswith(".. image:: ")]
    pictures = [line.split()[-1] for line in images]
    assert pictures
    for picture in pictures:
        assert os.path.exists(os.path.join(ROOT, picture))
