"""Measures in rounds: in each, all peers do the same work, one right after the other.

What comes out are plain data, for JSON: for each peer a list with a number for each round.

"""

import time
from collections import Counter, namedtuple

from peers import PeerError, cores
from startup import seconds_to_import

# How many rounds there are at most, and after how many seconds no more rounds of a workload begin;
# how many rounds the two growths have, and their sizes; and which workloads would take too long.
Plan = namedtuple("Plan", ["rounds", "seconds", "growth", "tasks", "blocked", "without"])

FULL = Plan(
    rounds=21,
    seconds=15,
    growth=21,
    tasks=[1000, 10000, 100000, 1000000],
    blocked=[1000, 5000, 20000],
    without=[],
)
QUICK = Plan(
    rounds=3,
    seconds=0.6,
    growth=7,
    tasks=[1000, 10000],
    blocked=[1000, 5000],
    without=["straggler-5000", "straggler-20000"],
)

# A peer that has spent so many seconds on one size of a growth takes part in no more rounds of it;
# we take part in two at least.
GROWTH_SECONDS = 2
# The memory of so many blocked tasks is measured.
WEIGHED = 5000


def ask_all(peers, verb, workload, number):
    """One round of a workload: the answers by peer. They have to give the same result.

    Both the core and who begins change from round to round.

    """
    available = cores()
    core = available[number % len(available)]
    first = number % len(peers)
    answers = {peer.name: None for peer in peers}
    for peer in peers[first:] + peers[:first]:
        answers[peer.name] = peer.ask(verb, workload, core)
    results = {name: answer["result"] for name, answer in answers.items()}
    if any(result != results[peers[0].name] for result in results.values()):
        raise PeerError("%s: the results differ: %r" % (workload, results))
    return answers


def measure(peers, workload, plan):
    """Rounds of a workload, by those peers that know it."""
    peers = [peer for peer in peers if workload in peer.workloads]
    began = time.monotonic()
    rounds = []
    # The first warms up, and is dropped unless it took all the time.
    while len(rounds) < 1 + plan.rounds and not (
        rounds and time.monotonic() - began > plan.seconds
    ):
        rounds.append(ask_all(peers, "time", workload, len(rounds)))
    return rounds[1:] or rounds


def columns(rounds, key):
    """Turn a list of rounds into lists by peer."""
    return {name: [answers[name][key] for answers in rounds] for name in rounds[0]}


def measure_growth(peers, rounds, workload, sizes, cost):
    """Rounds of a workload in several sizes: ``{size: {peer: [cost of each round]}}``.

    The sizes take turns, so that what slows the machine down for a while does so for all of them.

    :param workload: its name, with ``%d`` for the size.
    :param cost: takes the size and a peer's answer.

    """
    data = {str(size): {peer.name: [] for peer in peers} for size in sizes}
    spent = Counter()
    for number in range(rounds):
        for size in sizes:
            quick = [
                peer
                for peer in peers
                if spent[size, peer.name] < GROWTH_SECONDS or (peer.name == "ours" and number < 2)
            ]
            if quick:
                for name, answer in ask_all(quick, "time", workload % size, number).items():
                    spent[size, name] += answer["seconds"]
                    data[str(size)][name].append(cost(size, answer))
    return data


def measure_tasks(peers, plan):
    """Seconds per task, by the number of tasks.

    This includes the garbage collector, which is at work as in any program. While tasks become
    more, it walks through all that are alive again and again: this is most of the growth.

    """
    return measure_growth(
        peers,
        plan.growth,
        "fan-out-%d",
        plan.tasks,
        lambda size, answer: answer["seconds"] / size,
    )


def measure_blocked(peers, plan):
    """Seconds that the straggler takes, by the number of tasks that are blocked meanwhile."""
    return measure_growth(
        peers,
        plan.growth,
        "straggler-%d",
        plan.blocked,
        lambda size, answer: answer["straggling"],
    )


def weigh(peers):
    """Bytes per blocked task with its item; the round is not timed."""
    answers = ask_all(peers, "bytes", "straggler-%d" % WEIGHED, 0)
    return {name: answer["bytes"] / WEIGHED for name, answer in answers.items()}


def measure_imports(peers, rounds):
    """Seconds that the import takes; the first makes sure that the bytecode is stored."""
    available = cores()
    data = {peer.name: [] for peer in peers}
    for number in range(1 + rounds):
        for peer in peers:
            core = available[number % len(available)]
            data[peer.name].append(seconds_to_import(peer, core))
    return {name: seconds[1:] for name, seconds in data.items()}
