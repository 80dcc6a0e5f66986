"""The README is right: every block of Python in it runs, and asserts what it shows.

The first block is a complete program, which the others continue: each of these runs by itself,
after the program, in a new module that takes the place of ``__main__``.

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
    reason="the README is written for Python 3, whose generators can return values",
)

README = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.rst")


def readme_lines():
    with open(README, "rb") as source:
        return source.read().decode("utf-8").splitlines()


def python_blocks():
    """The blocks of Python, as (number of the first line, source) pairs."""
    lines = readme_lines()
    blocks = []
    for number, line in enumerate(lines):
        if line == ".. code-block:: python":
            end = number + 1
            while end < len(lines) and re.match("$|    ", lines[end]):
                end += 1
            block = textwrap.dedent("\n".join(lines[number + 1 : end]))
            blocks.append((number + 2, block))
    return blocks


BLOCKS = python_blocks()
PROGRAM = BLOCKS[0]

each_block = pytest.mark.parametrize("block", BLOCKS, ids=[str(line) for line, _ in BLOCKS])


@pytest.fixture
def main(monkeypatch):
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def run(block, module):
    line, source = block
    # Behind empty lines, so that tracebacks point into the README.
    code = compile("\n" * (line - 1) + source, README, "exec")
    exec(code, module.__dict__)  # noqa: S102


@each_block
def test_a_block_runs_after_the_program(block, main, capsys):
    run(PROGRAM, main)
    if block is not PROGRAM:
        run(block, main)


@each_block
def test_a_block_asserts_what_it_shows(block):
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(block[1])))


def test_the_program_prints_what_is_written_beside_its_print(main, capsys):
    run(PROGRAM, main)
    printed = capsys.readouterr().out
    assert re.search(r"print\(.*\)  # (.*\n)", PROGRAM[1]).group(1) == printed


def test_all_code_blocks_are_of_python():
    directives = [line for line in readme_lines() if re.match(r"\s*\.\. .*::", line)]
    others = [line for line in directives if not line.startswith(".. image:: ")]
    assert others == [".. code-block:: python"] * len(BLOCKS)


def test_the_pictures_are_there():
    pictures = [line.split()[-1] for line in readme_lines() if line.startswith(".. image:: ")]
    assert pictures
    for picture in pictures:
        assert os.path.exists(os.path.join(os.path.dirname(README), picture))
