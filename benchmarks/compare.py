"""How fast this package is, in comparison with others that do the same work.

    python benchmarks/compare.py [--quick] [--only WORKLOAD ...] [--peers NAME,...]

The peers are the original (the compiled wheel of asynq 1.6.0), aiodataloader on asyncio and on
uvloop, and the floor: the barest trampoline for generators that does the same work, with no
features. There are three tables:

* ``called``: the async functions are called synchronously.
* ``on a loop``: an event loop awaits ``f.asyncio(...)``, and we are compared with ourselves, called
  synchronously, too. The original has no batches there.
* ``async def``: functions of that kind, compared with generator functions.

All have the same version of Python, and run one right after the other, pinned to one
core, which changes from round to round. What counts is the CPU time of the process, in which the
garbage collector is at work as usual. Each ratio is the median of the rounds' ratios; beside it
stands the range of their middle half.

"""

import argparse
import json
import os
import platform
import sys

import peers
import plot
import report
import rounds


def arguments(words):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, and small sizes only")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each workload is run")
    parser.add_argument(
        "--only", nargs="+", metavar="WORKLOAD", help="run these, and leave out the rest"
    )
    parser.add_argument(
        "--peers",
        type=lambda text: text.split(","),
        default=peers.OTHERS,
        metavar="NAME,...",
        help="compare with these only: " + ",".join(peers.OTHERS),
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="the Python of an environment that has this peer, instead of making one",
    )
    parser.add_argument(
        "--environments",
        default=os.path.join(peers.ROOT, ".venv", "peers"),
        metavar="DIRECTORY",
        help="where the peers are installed, the first time (.venv/peers)",
    )
    parser.add_argument("--json", metavar="FILE", help="write what was measured into a file")
    parser.add_argument(
        "--plot", metavar="DIRECTORY", help="draw tasks.svg and blocked.svg, the growth of costs"
    )
    options = parser.parse_args(words)
    for name in options.peers:
        if name not in peers.OTHERS:
            parser.error("no peer %r; there are: %s" % (name, ", ".join(peers.OTHERS)))
    options.pythons = {}
    for text in options.peer:
        name, equals, python = text.partition("=")
        if name not in peers.OTHERS or not equals:
            parser.error("--peer %s: NAME=PYTHON is needed, such as original=python3" % text)
        options.pythons[name] = python
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds %d: at least one is needed" % options.rounds)
    if options.plot and options.only:
        parser.error("--plot needs all workloads, and --only leaves some out")
    return options


def peers_of(columns, started):
    """Those of the started peers that take part in some columns, in the order of all."""
    names = {name for column in columns for name in (column.over, column.under)}
    return [peer for peer in started if peer.name in names]


def chosen_workloads(known, only, without=()):
    """The names of workloads in the table's order.

    By default these are all but those of the growth and those that the plan is without.

    """
    if only is None:
        return [
            name for name in known if not name.startswith("fan-out-") and name not in without
        ]
    for name in only:
        if name not in known:
            raise peers.PeerError("no workload %r; there are: %s" % (name, ", ".join(known)))
    return [name for name in known if name in only]


def start(options):
    """Start all peers, ours first."""
    started = []
    try:
        for name in ["ours"] + options.peers:
            if name in peers.REQUIREMENTS:
                python = options.pythons.get(name) or peers.environment(name, options.environments)
            else:
                python = options.pythons.get(name, sys.executable)
            started.append(peers.Peer(name, python))
    except BaseException:
        stop(started)
        raise
    return started


def stop(started):
    for peer in started:
        peer.stop()


def compare_table(columns, workloads, started, plan):
    """Measure what belongs to a table, and print each line of it as soon as it is there."""
    data = {}
    for workload in workloads:
        knowing = [peer for peer in started if workload in peer.workloads]
        known = report.columns_of(columns, [peer.name for peer in knowing])
        if known:
            measured = rounds.measure(peers_of(known, knowing), workload, plan)
            data[workload] = rounds.columns(measured, "seconds")
            print(report.row(workload, data[workload], columns), flush=True)
    return data


def compare(started, options):
    """Measure, and print each result as soon as it is there; return the data."""
    plan = rounds.QUICK if options.quick else rounds.FULL
    if options.rounds is not None:
        plan = plan._replace(rounds=options.rounds)
    names = [peer.name for peer in started]
    workloads = chosen_workloads(started[0].workloads, options.only, plan.without)
    versions = {}
    for peer in started:
        if peer.name in peers.REQUIREMENTS:
            versions.update(peer.versions)
    data = {
        "python": platform.python_version(),
        "versions": versions,
        "tables": {},
    }
    against = ", ".join("%s %s" % item for item in sorted(versions.items()))
    print("CPU time on Python %s against %s" % (data["python"], against or "the floor"))
    for table in report.TABLES:
        columns = report.columns_of(report.TABLES[table], names)
        if columns:
            print("\n" + report.header(table, columns), flush=True)
            data["tables"][table] = compare_table(columns, workloads, started, plan)
    if options.only is None:
        started = peers_of(report.TABLES["called"], started)
        data["tasks"] = rounds.measure_tasks(started, plan)
        data["blocked"] = rounds.measure_blocked(started, plan)
        data["bytes"] = rounds.weigh(started)
        data["imports"] = rounds.measure_imports(
            [peer for peer in started if peer.name in ("ours", "original")], 2 * plan.rounds
        )
    print()
    for line in report.summary(data):
        print(line)
    return data


def main(words=None):
    options = arguments(words)
    try:
        started = start(options)
        try:
            data = compare(started, options)
        finally:
            stop(started)
    except peers.PeerError as error:
        sys.exit("compare.py: %s" % error)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(data, file, indent=1)
    if options.plot:
        plot.draw(data, options.plot)


if __name__ == "__main__":
    main()
