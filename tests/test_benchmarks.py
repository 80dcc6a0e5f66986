"""The benchmarks do the same work, and draw the right conclusions from the numbers.

No times are asserted. Here are the programs of this package and those of the floor only; the
others need environments of their own, and their results are compared in each run.

"""

import asyncio
import importlib
import os
import platform
import sys
from xml.etree import ElementTree

import pytest

from asynq.async_task import AsyncTask
from asynq.debug import options

BENCHMARKS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "benchmarks")


def load(name):
    """Import ``benchmarks/<name>.py``; workloads.py sets an option for the whole process."""
    former = options.MAX_TASK_STACK_SIZE
    sys.path.insert(0, BENCHMARKS)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(BENCHMARKS)
        options.MAX_TASK_STACK_SIZE = former


compare = load("compare")
drivers = load("drivers")
floor = load("floor")
native = load("native")
peers = load("peers")
plot = load("plot")
report = load("report")
rounds = load("rounds")
serve = load("serve")
startup = load("startup")
trampoline = load("trampoline")
workloads = load("workloads")

LARGE = {
    "chain-50000",
    "straggler-5000",
    "straggler-20000",
    "fan-out-100000",
    "fan-out-1000000",
}
# What is about features that the floor does not have.
WITHOUT_FLOOR = {"contexts", "scoped", "deduplicate", "alru_cache"}


@pytest.fixture
def on_loop(monkeypatch):
    """Have an event loop drive the workloads."""
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(workloads, "driver", drivers.OnLoop(loop))
    yield
    loop.close()


# The work


@pytest.mark.parametrize("name", [name for name in workloads.WORKLOADS if name not in LARGE])
def test_a_workload_does_the_same_on_a_loop_and_what_the_floor_does(name, on_loop, monkeypatch):
    result = workloads.WORKLOADS[name]()
    if name in floor.WORKLOADS:
        assert floor.WORKLOADS[name]() == result
    monkeypatch.setattr(workloads, "driver", drivers.Synchronous())
    assert workloads.WORKLOADS[name]() == result


@pytest.mark.parametrize("name", [name for name in native.WORKLOADS if name not in LARGE])
def test_async_def_functions_do_the_same(name, on_loop, monkeypatch):
    on_a_loop = native.WORKLOADS[name]()
    monkeypatch.setattr(workloads, "driver", drivers.Synchronous())
    assert native.WORKLOADS[name]() == on_a_loop
    assert workloads.WORKLOADS[name]() == on_a_loop


def test_what_is_blocked_on_a_loop_is_not_looked_at(on_loop, monkeypatch):
    looked_at = []
    monkeypatch.setattr(AsyncTask, "_blockers", lambda *args: looked_at.append(args))
    workloads.WORKLOADS["straggler-1000"]()
    assert looked_at == []


def test_requests_that_are_made_at_once_share_their_batches(on_loop, monkeypatch):
    stores = []

    def remember_store():
        stores.append(Store())
        return stores[-1]

    Store = workloads.Store
    monkeypatch.setattr(workloads, "Store", remember_store)
    workloads.WORKLOADS["requests-100x50"]()
    assert [(store.batches, store.items) for store in stores] == [(1, 5000)] * 2


def test_the_floor_has_all_workloads_but_those_of_features():
    assert set(workloads.WORKLOADS) - set(floor.WORKLOADS) == WITHOUT_FLOOR
    assert set(floor.WORKLOADS) < set(workloads.WORKLOADS)


def test_each_workload_says_how_much_work_it_is():
    assert list(workloads.OPERATIONS) == list(workloads.WORKLOADS)


# The floor


def run(body, *stores):
    return trampoline.run(trampoline.Task(body), *stores)


def failing(store):
    yield store.get(0)
    raise ValueError("failing")


def test_a_task_of_the_floor_is_held_and_waited_for_by_several():
    store = floor.Store()

    def wait_for(future):
        return (yield future)

    def main():
        shared = trampoline.Task(floor.load(store, 1))
        item = store.get(2)
        waiting = [trampoline.Task(wait_for(future)) for future in (shared, item) * 3]
        assert (yield waiting, shared) == ([2, 3] * 3, 2)
        assert (yield shared) == 2
        assert (yield item) == 3
        assert (yield {"both": (shared, [item, None])}) == {"both": (2, [3, None])}
        assert (yield []) == []
        return (yield [shared, shared, trampoline.Const(7)])

    assert run(main(), store) == [2, 2, 7]
    assert floor.outcome(0, store) == [0, 1, 2]


def test_what_nobody_has_yielded_yet_keeps_its_value():
    store = floor.Store()

    def main():
        item = store.get(1)
        assert (yield store.get(2)) == 3
        return (yield item)

    assert run(main(), store) == 2
    assert store.batches == 1


def test_an_error_is_raised_wherever_its_task_of_the_floor_is_yielded():
    store = floor.Store()

    def main():
        task = trampoline.Task(failing(store))
        caught = 0
        for structure in ([store.get(1), task], task, {"task": (task,)}, [[task], store.get(2)]):
            try:
                yield structure
            except ValueError:
                caught += 1
        other = trampoline.Task(failing(store))
        return caught + sum((yield [trampoline.Task(wait_for(other)) for _ in range(2)]))

    def wait_for(task):
        try:
            yield task
        except ValueError:
            return 1

    assert run(main(), store) == 6


def test_the_floor_raises_what_nobody_catches():
    store = floor.Store()
    with pytest.raises(ValueError):
        run(failing(store), store)


# The rounds


def plan(rounds_at_most, seconds):
    return rounds.QUICK._replace(rounds=rounds_at_most, seconds=seconds)


class FakePeer(object):
    """Answers at once, and remembers all questions in a list that is shared."""

    def __init__(self, name, asked, result=1, workloads=("work",), seconds=0.5):
        self.name = name
        self.asked = asked
        self.result = result
        self.workloads = workloads
        self.seconds = seconds

    def ask(self, verb, workload, core):
        self.asked.append((self.name, core))
        return {"result": self.result, "seconds": self.seconds}


def test_core_and_order_change_from_round_to_round(monkeypatch):
    monkeypatch.setattr(rounds, "cores", lambda: [3, 7])
    asked = []
    measured = rounds.measure(
        [FakePeer("ours", asked), FakePeer("other", asked)], "work", plan(2, 1000)
    )
    assert asked == [
        ("ours", 3),
        ("other", 3),
        ("other", 7),
        ("ours", 7),
        ("ours", 3),
        ("other", 3),
    ]
    # The first warms up.
    assert rounds.columns(measured, "seconds") == {"ours": [0.5, 0.5], "other": [0.5, 0.5]}
    assert list(measured[0]) == ["ours", "other"]


def test_only_those_are_asked_who_know_the_workload():
    asked = []
    ours, other = FakePeer("ours", asked), FakePeer("other", asked, workloads=())
    measured = rounds.measure([ours, other], "work", plan(1, 1000))
    assert rounds.columns(measured, "seconds") == {"ours": [0.5]}


def test_where_time_is_short_the_first_round_counts():
    ours = FakePeer("ours", [])
    assert len(rounds.measure([ours], "work", plan(5, -1))) == 1
    assert len(ours.asked) == 1


def test_different_results_end_the_run():
    ours, other = FakePeer("ours", []), FakePeer("other", [], result=2)
    with pytest.raises(peers.PeerError) as info:
        rounds.measure([ours, other], "work", rounds.QUICK)
    assert str(info.value) == "work: the results differ: {'ours': 1, 'other': 2}"


def test_who_is_slow_at_a_size_has_fewer_rounds_of_it():
    slow = rounds.GROWTH_SECONDS * 0.75
    ours, other = FakePeer("ours", []), FakePeer("other", [], seconds=slow)
    data = rounds.measure_growth(
        [ours, other], 3, "work-%d", [1, 2], lambda size, answer: answer["seconds"] / size
    )
    assert data == {
        "1": {"ours": [0.5] * 3, "other": [slow] * 2},
        "2": {"ours": [0.25] * 3, "other": [slow / 2] * 2},
    }


def test_we_take_part_in_two_rounds_of_a_size_however_slow():
    slow = rounds.GROWTH_SECONDS * 2
    ours, other = FakePeer("ours", [], seconds=slow), FakePeer("other", [], seconds=slow)
    data = rounds.measure_growth(
        [ours, other], 3, "work-%d", [1], lambda size, answer: answer["seconds"]
    )
    assert data == {"1": {"ours": [slow] * 2, "other": [slow]}}


def test_what_is_short_is_run_several_times_and_its_mean_counts():
    runs = []

    def workload():
        runs.append(None)
        with serve.straggling:
            return sum(range(30000))

    answer = serve.run_timed(workload)
    assert answer["result"] == 449985000
    assert 1 < len(runs)
    assert answer["seconds"] * len(runs) >= serve.LEAST_SECONDS
    assert answer["seconds"] > answer["straggling"] > 0


def test_imports_are_timed_with_stored_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environments = []

    def check_output(command, env, cwd):
        environments.append(env)
        return "0.25"

    monkeypatch.setattr(startup.subprocess, "check_output", check_output)
    ours = FakePeer("ours", [])
    ours.python = "python3"
    assert startup.seconds_to_import(ours, 0) == 0.25
    assert "PYTHONDONTWRITEBYTECODE" not in environments[0]


@pytest.mark.parametrize("name", ["ours", "floor", "ours.asyncio"])
def test_a_process_runs_workloads(name):
    peer = peers.Peer(name, sys.executable)
    try:
        answer = peer.ask("time", "straggler-1000", peers.cores()[0])
        assert answer["result"] == workloads.WORKLOADS["straggler-1000"]()
        assert answer["seconds"] > answer["straggling"] > 0
        assert peer.ask("bytes", "straggler-1000", peers.cores()[0])["bytes"] > 0
    finally:
        peer.stop()


def test_a_process_runs_async_def_functions_on_a_loop():
    peer = peers.Peer("native.asyncio", sys.executable)
    try:
        answer = peer.ask("time", "tuples", peers.cores()[0])
        assert answer["result"] == workloads.WORKLOADS["tuples"]()
    finally:
        peer.stop()


def test_what_the_original_can_do_on_a_loop_are_workloads():
    assert set(peers.ORIGINAL_ON_LOOP) < set(workloads.WORKLOADS)
    options = serve.arguments(peers.ARGUMENTS["original.asyncio"])
    assert (options.module, options.loops) == ("workloads", "asyncio")
    assert options.only == peers.ORIGINAL_ON_LOOP


def test_the_original_has_one_environment_for_both_its_peers(tmp_path):
    directory = tmp_path / platform.python_version() / "original"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").touch()
    (directory / "installed").touch()
    python = str(directory / "bin" / "python")
    assert peers.environment("original", str(tmp_path)) == python
    assert peers.environment("original.asyncio", str(tmp_path)) == python


# The numbers


def test_the_median_is_the_middle_one():
    assert report.median([3, 1, 2]) == 2
    assert report.median([4, 1, 3, 2]) == 2.5
    assert report.median([7]) == 7


def test_the_middle_half_leaves_out_a_quarter_at_each_end():
    assert report.middle_half([5, 1, 4, 2, 3]) == (2, 4)
    assert report.middle_half(range(8)) == (2, 5)
    assert report.middle_half([7]) == (7, 7)


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one():
    assert report.geometric_mean([4, 0.25]) == pytest.approx(1)
    assert report.geometric_mean([2, 4, 8]) == pytest.approx(4)


ORIGINAL = report.Column("original/ours", "original", "ours")
FLOOR = report.Column("ours/floor", "ours", "floor")


def test_ratios_are_taken_round_by_round():
    seconds = {"ours": [1, 2, 4], "original": [2, 6, 4], "floor": [0.5, 0.5, 1]}
    assert report.ratios(seconds, ORIGINAL) == [2, 3, 1]
    assert report.ratios(seconds, FLOOR) == [2, 4, 4]


def test_the_table_leaves_empty_who_does_not_know_a_workload():
    seconds = {"ours": [1, 1, 1, 1], "original": [2, 3, 1, 20]}
    line = report.row("work", seconds, [FLOOR, ORIGINAL])
    assert line.split() == ["work", "2.50", "2.00-3.00", "4"]
    assert len(line) == len(report.header("called", [FLOOR, ORIGINAL]))


def test_the_peers_of_all_columns_are_there():
    columns = [column for table in report.TABLES.values() for column in table]
    named = {name for column in columns for name in (column.over, column.under)}
    assert named == {"ours"} | set(peers.OTHERS)


def test_a_column_needs_both_its_peers():
    assert report.columns_of([ORIGINAL, FLOOR], ["ours", "floor"]) == [FLOOR]
    assert report.columns_of([ORIGINAL, FLOOR], ["floor", "original"]) == []


def by_size(**seconds):
    """Turn ``{peer: [seconds at 1,000, at 2,000]}`` into what is measured, in two rounds."""
    return {
        str(1000 * (place + 1)): {name: [values[place]] * 2 for name, values in seconds.items()}
        for place in range(2)
    }


DATA = {
    "tables": {
        "called": {
            "children": {"ours": [1], "original": [2], "floor": [0.5]},
            "tree": {"ours": [1], "original": [0.5], "asyncio": [4]},
            "straggler-1000": {"ours": [1], "original": [8], "floor": [0.25]},
        },
        "on a loop": {
            "children": {"ours": [1], "ours.asyncio": [1.25]},
            "tree": {"ours": [1], "ours.asyncio": [0.8], "asyncio": [4]},
        },
    },
    "tasks": by_size(ours=[2, 3], original=[4, 8]),
    "blocked": by_size(ours=[1, 1], original=[10, 100]),
    "bytes": {"ours": 700.4, "original": 1500},
    "imports": {"ours": [3, 3], "original": [2, 2]},
}


def test_the_summary_has_a_line_for_each_question():
    assert report.summary(DATA) == [
        "called, original/ours: geometric mean 2.00 (without the stragglers 1.00), worst 0.50"
        " (tree), of 3",
        "called, ours/floor: geometric mean 2.83 (without the stragglers 2.00), worst 4.00"
        " (straggler-1000), of 2",
        "called, asyncio/ours: geometric mean 4.00, worst 4.00 (tree), of 1",
        "on a loop, asyncio/ours: geometric mean 5.00, worst 5.00 (tree), of 1",
        "on a loop, ours/called: geometric mean 1.00, worst 1.25 (children), of 2",
        "cost per task, garbage collector included, at 2,000 tasks over that at 1,000:"
        " ours 1.50, original 2.00",
        "cost per round of the straggler with 2,000 blocked tasks over that with 1,000:"
        " ours 1.00, original 10.0",
        "bytes per blocked task with its item: ours 700, original 1500",
        "import of asynq after qcore, ours/original: 1.50  1.50-1.50",
    ]


# The pictures

SVG = "{http://www.w3.org/2000/svg}"


def test_the_pictures_are_xml_with_a_line_and_a_label_for_each_peer(tmp_path):
    plot.draw(DATA, str(tmp_path / "new"))
    for key, x_label in [
        ("tasks", "tasks that are waited for together"),
        ("blocked", "other tasks that stay blocked meanwhile"),
    ]:
        root = ElementTree.parse(str(tmp_path / "new" / (key + ".svg"))).getroot()
        assert root.tag == SVG + "svg"
        assert len(root.findall(SVG + "polyline")) == 2
        labels = {element.text for element in root.findall(SVG + "text")}
        assert {"asynq (this package)", "asynq 1.6.0, compiled", x_label} <= labels
        assert {"1,000", "2,000", "1"} <= labels
        assert root.find(SVG + "rect").get("fill") == "white"


def test_the_same_numbers_make_the_same_picture():
    assert plot.picture("tasks", DATA["tasks"]) == plot.picture("tasks", DATA["tasks"])


def test_costs_are_in_terms_of_our_first():
    assert plot.curves(DATA["tasks"]) == {
        "ours": [(1000, 1), (2000, 1.5)],
        "original": [(1000, 2), (2000, 4)],
    }


def test_ticks_are_round_and_enclose_the_numbers():
    assert plot.ticks_around(0.4, 3.9) == pytest.approx([0.2, 0.5, 1, 2, 5])
    assert plot.ticks_around(0.4, 2200) == pytest.approx([0.1, 1, 10, 100, 1000, 10000])
    assert plot.ticks_around(1, 1) == pytest.approx([1, 2])


def test_a_logarithmic_axis_has_equal_distances_for_equal_ratios():
    axis = plot.Axis([1, 10, 100], 50, 250)
    assert [axis.place(value) for value in (1, 10, 100)] == pytest.approx([50, 150, 250])


def test_labels_do_not_overlap():
    heights = plot.spread({"a": 100, "b": 101, "c": 300})
    assert heights == {"a": 100, "b": 100 + plot.LABEL_HEIGHT, "c": 300}


# The command line


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--peers", "gevent"], "no peer 'gevent'; there are: original, floor, asyncio, uvloop, "),
        (["--peer", "original"], "--peer original: NAME=PYTHON is needed"),
        (["--peer", "gevent=python3"], "--peer gevent=python3: NAME=PYTHON is needed"),
        (["--rounds", "0"], "--rounds 0: at least one is needed"),
        (["--plot", "here", "--only", "sync"], "--plot needs all workloads"),
    ],
)
def test_what_cannot_be_done_is_said_clearly(words, complaint, capsys):
    with pytest.raises(SystemExit) as info:
        compare.arguments(words)
    assert info.value.code == 2
    assert complaint in capsys.readouterr().err


def test_by_default_all_is_compared():
    assert compare.arguments([]).peers == [
        "original",
        "floor",
        "asyncio",
        "uvloop",
        "ours.asyncio",
        "ours.uvloop",
        "original.asyncio",
        "native",
        "native.asyncio",
    ]


def test_only_those_who_know_a_workload_take_part_in_a_table(capsys):
    asked = []
    ours, other = FakePeer("ours", asked), FakePeer("original", asked)
    third = FakePeer("uvloop", asked)
    ours.workloads = ("work", "more")
    data = compare.compare_table([ORIGINAL], ["work", "more"], [ours, other, third], plan(1, 1000))
    assert data == {"work": {"ours": [0.5], "original": [0.5]}}
    assert capsys.readouterr().out.split() == ["work", "1.00", "1.00-1.00", "1"]


def test_the_growth_is_that_of_the_quickest_rounds():
    by_size = {"10": {"ours": [4, 2, 9]}, "20": {"ours": [3, 8, 8]}}
    assert report.growth(by_size, [10, 20], "ours") == 1.5


def test_the_table_has_all_workloads_but_those_of_the_growth_and_those_that_are_too_long():
    known = ["sync", "fan-out", "tree", "fan-out-1000"]
    assert compare.chosen_workloads(known, None) == ["sync", "fan-out", "tree"]
    assert compare.chosen_workloads(known, None, ["tree"]) == ["sync", "fan-out"]
    assert compare.chosen_workloads(known, ["tree"], ["tree"]) == ["tree"]


def test_workloads_are_chosen_by_name_and_run_in_their_own_order():
    known = ["sync", "tree", "fan-out-1000"]
    assert compare.chosen_workloads(known, ["fan-out-1000", "sync"]) == ["sync", "fan-out-1000"]
    with pytest.raises(peers.PeerError) as info:
        compare.chosen_workloads(known, ["nothing"])
    assert str(info.value) == "no workload 'nothing'; there are: sync, tree, fan-out-1000"


def test_a_peer_that_does_not_start_is_told():
    with pytest.raises(SystemExit) as info:
        compare.main(["--peers", "floor", "--peer", "floor=nowhere/python"])
    assert str(info.value).startswith("compare.py: floor does not start: ")
