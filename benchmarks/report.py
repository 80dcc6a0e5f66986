"""What the numbers mean: ratios, the tables, and the lines below them."""

import math
from collections import OrderedDict, namedtuple

from peers import is_ours

# Of a column of a table.
WIDTH = 19

# A column of a table: its name, and the peers of which the first is divided by the second.
Column = namedtuple("Column", ["name", "over", "under"])

TABLES = OrderedDict(
    [
        (
            "called",
            [
                Column("original/ours", "original", "ours"),
                Column("ours/floor", "ours", "floor"),
                Column("asyncio/ours", "asyncio", "ours"),
                Column("uvloop/ours", "uvloop", "ours"),
            ],
        ),
        (
            "on a loop",
            [
                Column("original/ours", "original.asyncio", "ours.asyncio"),
                Column("asyncio/ours", "asyncio", "ours.asyncio"),
                Column("uvloop/ours", "uvloop", "ours.uvloop"),
                Column("ours/called", "ours.asyncio", "ours"),
            ],
        ),
        (
            "async def",
            [
                Column("native/ours", "native", "ours"),
                Column("both on a loop", "native.asyncio", "ours.asyncio"),
            ],
        ),
    ]
)


def columns_of(columns, names):
    """Those columns for which both peers are among ``names``."""
    return [column for column in columns if column.over in names and column.under in names]


def median(values):
    """The middle one; of two, their mean."""
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def middle_half(values):
    """The range that is left when the lowest and the highest quarter are taken away."""
    values = sorted(values)
    quarter = len(values) // 4
    return values[quarter], values[-1 - quarter]


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def ratios(seconds, column):
    """Round by round: how many times as long as the one peer of a column the other takes.

    :param seconds: ``{peer: [seconds of each round]}``.

    """
    pairs = zip(seconds[column.over], seconds[column.under])
    return [over / under for over, under in pairs]


def number(value):
    """Three digits, or as many as stand before the point."""
    return "%.*f" % (2 if value < 10 else 1 if value < 100 else 0, value)


def cell(values):
    """The median, and the range of the middle half."""
    low, high = middle_half(values)
    return "%s  %s-%s" % (number(median(values)), number(low), number(high))


def header(table, columns):
    """The first line of a table."""
    return line(table, [column.name for column in columns], "rounds")


def row(workload, seconds, columns):
    """A line of a table; empty where a peer does not know the workload."""
    known = columns_of(columns, seconds)
    cells = [cell(ratios(seconds, column)) if column in known else "" for column in columns]
    return line(workload, cells, len(seconds[known[0].under]))


def line(title, cells, rounds):
    return "%-17s%s%6s" % (title, "".join(text.ljust(WIDTH) for text in cells), rounds)


def summary(data):
    """The lines below the tables, from all that was measured."""
    lines = []
    for table, workloads in data["tables"].items():
        for column in TABLES[table]:
            medians = {
                workload: median(ratios(seconds, column))
                for workload, seconds in workloads.items()
                if columns_of([column], seconds)
            }
            if medians:
                lines.append(mean_line(table, column, medians))
    lines.extend(growth_lines(data))
    return lines


def mean_line(table, column, medians):
    mean = geometric_mean(medians.values())
    # Where it is our time that is divided, more is worse.
    worst = (max if is_ours(column.over) else min)(medians, key=medians.get)
    text = "%s, %s: geometric mean %s" % (table, column.name, number(mean))
    others = [value for workload, value in medians.items() if "straggler" not in workload]
    if others and len(others) < len(medians):
        text += " (without the stragglers %s)" % number(geometric_mean(others))
    return text + ", worst %s (%s), of %d" % (number(medians[worst]), worst, len(medians))


def growth_lines(data):
    for key, title in [
        ("tasks", "cost per task, garbage collector included, at %s tasks over that at %s: "),
        ("blocked", "cost per round of the straggler with %s blocked tasks over that with %s: "),
    ]:
        sizes = sorted(map(int, data.get(key, {})))
        if len(sizes) > 1:
            yield title % ("{:,}".format(sizes[-1]), "{:,}".format(sizes[0])) + ", ".join(
                "%s %s" % (name, number(growth(data[key], sizes, name)))
                for name in data[key][str(sizes[0])]
            )
    if "bytes" in data:
        yield "bytes per blocked task with its item: " + ", ".join(
            "%s %d" % item for item in data["bytes"].items()
        )
    if "original" in data.get("imports", {}):
        values = data["imports"]
        pairs = [ours / theirs for theirs, ours in zip(values["original"], values["ours"])]
        yield "import of asynq after qcore, ours/original: " + cell(pairs)


def growth(by_size, sizes, name):
    """How many times as much the largest size costs as the smallest."""
    return least(by_size[str(sizes[-1])][name]) / least(by_size[str(sizes[0])][name])


def least(costs):
    """Of rounds in one size the quickest counts: whatever disturbs a round makes it slower only.

    Here no ratio within a round can make up for that, since sizes take their different times.

    """
    return min(costs)
