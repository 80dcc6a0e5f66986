"""Who is compared: each peer is a process, in an environment of its own."""

import json
import os
import platform
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
SERVE = os.path.join(HERE, "serve.py")

ORIGINAL_VERSION = "1.6.0"

# What the original can do on an event loop: there are no batches, and the tasks that wait for one
# another are on the stack of Python.
ORIGINAL_ON_LOOP = "sync children computed consts siblings structures methods classmethods".split()
ORIGINAL_ON_LOOP += "chain-800 errors deep-error".split()

# What runs in the process; serve.py knows these arguments. "asyncio" and "uvloop" are aiodataloader
# there, and "native" is ours with async def functions.
ARGUMENTS = {
    "ours": ["workloads"],
    "original": ["workloads"],
    "floor": ["floor"],
    "asyncio": ["loaders", "--asyncio"],
    "uvloop": ["loaders", "--uvloop"],
    "ours.asyncio": ["workloads", "--asyncio"],
    "ours.uvloop": ["workloads", "--uvloop"],
    "original.asyncio": ["workloads", "--asyncio", "--only"] + ORIGINAL_ON_LOOP,
    "native": ["native"],
    "native.asyncio": ["native", "--asyncio"],
}
# What has to be installed, where it is something; what uses asynq from here needs its requirements.
REQUIREMENTS = {
    "original": ["asynq==" + ORIGINAL_VERSION],
    "original.asyncio": ["asynq==" + ORIGINAL_VERSION],
    "asyncio": ["aiodataloader"],
    "uvloop": ["aiodataloader", "uvloop"],
    "ours.uvloop": ["qcore", "six", "uvloop"],
}
# No original but the compiled one; twice quiet, so that errors only are told.
PIP_OPTIONS = ["--quiet", "--quiet", "--disable-pip-version-check", "--only-binary=asynq"]
OTHERS = [name for name in ARGUMENTS if name != "ours"]


class PeerError(Exception):
    """Something is wrong with a peer; the message is for the user."""


def environment(name, directory):
    """The Python of a peer's environment, which is made if there is none yet."""
    if name == "original.asyncio":
        name = "original"
    directory = os.path.join(os.path.abspath(directory), platform.python_version(), name)
    python = os.path.join(directory, "bin", "python")
    installed = os.path.join(directory, "installed")
    if not os.path.exists(installed) or not os.path.exists(python):
        print("Installing %s for the comparison" % " and ".join(REQUIREMENTS[name]), flush=True)
        # With our own pip, because a pip for each would take longer than what it installs.
        venv.create(directory, clear=True, symlinks=True)
        where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = subprocess.check_output(where, universal_newlines=True).strip()
        pip = [sys.executable, "-m", "pip", "install", "--target", packages] + PIP_OPTIONS
        if subprocess.call(pip + REQUIREMENTS[name]) != 0:
            raise PeerError(
                "pip cannot install %s for Python %s. Does it reach the network? The original has"
                " wheels for some versions of Python only. Cure: name an environment that has it,"
                " --peer %s=PYTHON, or leave it out, with --peers."
                % (" and ".join(REQUIREMENTS[name]), platform.python_version(), name)
            )
        open(installed, "w").close()
    return python


class Peer:
    """A process that runs workloads.

    :param name: one of ``ARGUMENTS``.
    :param python: the Python of its environment.

    """

    def __init__(self, name, python):
        self.name = name
        self.python = python
        try:
            self._process = subprocess.Popen(
                # The original's warnings would seem to be about serve.py.
                [python, "-W", "ignore::DeprecationWarning", SERVE] + ARGUMENTS[name],
                env=variables(name),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                universal_newlines=True,
            )
        except OSError as error:
            raise PeerError("%s does not start: %s" % (name, error))
        hello = self._answer("while it started")
        self.workloads = hello["workloads"]
        self.versions = hello["versions"]
        self._check(hello)

    def _check(self, hello):
        """The peer is what it is said to be."""
        if hello["python"] != platform.python_version():
            raise PeerError(
                "%s runs on Python %s, and not on %s as ours"
                % (self.name, hello["python"], platform.python_version())
            )
        if self.name in ("original", "original.asyncio"):
            if self.versions["asynq"] != ORIGINAL_VERSION:
                raise PeerError(
                    "the original is asynq %s, and not %s"
                    % (self.versions["asynq"], ORIGINAL_VERSION)
                )
            if hello["asynq"].endswith(".py"):
                raise PeerError(
                    "the original is not compiled: it was loaded from %s. Only the wheel from PyPI"
                    " is a peer." % hello["asynq"]
                )
        if is_ours(self.name) and not hello["asynq"].startswith(ROOT + os.sep):
            raise PeerError("ours is not the checkout: it was loaded from %s" % hello["asynq"])

    def ask(self, verb, workload, core):
        """Have the process run a workload on a core; return what serve.py answers."""
        self._process.stdin.write(json.dumps([verb, workload, core]) + "\n")
        self._process.stdin.flush()
        return self._answer("during " + workload)

    def _answer(self, when):
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(
                "%s ended %s, with exit status %d" % (self.name, when, self._process.wait())
            )
        return json.loads(line)

    def stop(self):
        """End the process; it may have ended before."""
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._process.wait()


def is_ours(name):
    """Whether a peer uses asynq from this checkout."""
    return name.partition(".")[0] in ("ours", "native")


def variables(name):
    """The environment variables of a peer: ours, and nobody else, finds the checkout."""
    return dict(os.environ, PYTHONPATH=ROOT if is_ours(name) else "")


def cores():
    """The numbers of the cores that may be used; one, where a process cannot be pinned."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
