"""How long ``import asynq`` takes, beyond the import of qcore, which it needs."""

import subprocess

from peers import HERE, variables

PROGRAM = """
import os, sys, time, qcore
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [%d])
began = time.process_time()
import asynq
print(time.process_time() - began)
"""


def seconds_to_import(peer, core):
    """CPU time of ``import asynq`` in a new process, where qcore is imported already."""
    command = [peer.python, "-c", PROGRAM % core]
    environment = variables(peer.name)
    # Without stored bytecode it would be the time of the compiler.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # In a directory without an asynq, because ``-c`` looks there first.
    return float(subprocess.check_output(command, env=environment, cwd=HERE))
