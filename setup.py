import io
import os
import re

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with io.open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


def description():
    """The README, but for its pictures: an index has no files beside it."""
    return re.sub(r"\.\. image::.*\n( +:.*\n)*", "", read("README.rst"))


setup(
    name="asynq",
    version="1.7.0",
    description="Batched asynchronous code, written with generators",
    long_description=description(),
    long_description_content_type="text/x-rst",
    license="MIT",
    packages=["asynq"],
    package_data={"asynq": ["*.pyi", "py.typed"]},
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    install_requires=[
        "six",
        # The last releases that each Python can install.
        'qcore<1.7; python_version < "3"',
        'qcore<1.9; python_version >= "3" and python_version < "3.7"',
        'qcore; python_version >= "3.7"',
    ],
    # One wheel for Python 2 and 3.
    options={"bdist_wheel": {"python_tag": "py2.py3"}},
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 2.7",
        "Programming Language :: Python :: 3.6",
        "Programming Language :: Python :: 3.7",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: Implementation :: CPython",
        "Programming Language :: Python :: Implementation :: PyPy",
        "Typing :: Typed",
    ],
    keywords="async batching generators memcache redis sql",
)
