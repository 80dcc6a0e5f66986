import io
import os

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with io.open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


setup(
    name="asynq",
    version="1.6.0",
    description="Batched asynchronous code, written with generators",
    long_description=read("README.rst"),
    long_description_content_type="text/x-rst",
    license="MIT",
    packages=["asynq"],
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    install_requires=[
        "six",
        # The last releases that each Python can install.
        'qcore<1.7; python_version < "3"',
        'qcore<1.9; python_version >= "3" and python_version < "3.7"',
        'qcore; python_version >= "3.7"',
    ],
    options={"bdist_wheel": {"universal": True}},
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Developers",
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 2.7",
        "Programming Language :: Python :: 3",
    ],
    keywords="async batching generators memcache redis sql",
)
