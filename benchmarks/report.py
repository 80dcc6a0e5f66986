"""What the numbers mean: ratios, the table, and the lines below it."""

import math

# Of a column of the table.
WIDTH = 19


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


def ratios(seconds, name):
    """Round by round: how good we are in comparison with a peer, from ``{peer: seconds}``.

    How many times as long as ours the peer takes; for the floor, which has no features, how many
    times as long as the floor we take.

    """
    pairs = zip(seconds[name], seconds["ours"])
    if name == "floor":
        return [ours / theirs for theirs, ours in pairs]
    return [theirs / ours for theirs, ours in pairs]


def number(value):
    """Three digits, or as many as stand before the point."""
    return "%.*f" % (2 if value < 10 else 1 if value < 100 else 0, value)


def cell(values):
    """The median, and the range of the middle half."""
    low, high = middle_half(values)
    return "%s  %s-%s" % (number(median(values)), number(low), number(high))


def header(names):
    """The first line of the table."""
    return line("workload", map(comparison, names), "rounds")


def row(workload, seconds, names):
    """A line of the table; empty where a peer does not know the workload."""
    cells = [cell(ratios(seconds, name)) if name in seconds else "" for name in names]
    return line(workload, cells, len(seconds["ours"]))


def line(title, cells, rounds):
    return "%-16s%s%6s" % (title, "".join(text.ljust(WIDTH) for text in cells), rounds)


def comparison(name):
    """What is divided by what."""
    return "ours/floor" if name == "floor" else name + "/ours"


def summary(data, names):
    """The lines below the table, from all that was measured."""
    lines = []
    for name in names:
        medians = {
            workload: median(ratios(seconds, name))
            for workload, seconds in data["workloads"].items()
            if name in seconds
        }
        if medians:
            lines.append(mean_line(name, medians))
    lines.extend(growth_lines(data))
    return lines


def mean_line(name, medians):
    mean = geometric_mean(medians.values())
    worst = (max if name == "floor" else min)(medians, key=medians.get)
    text = "%s: geometric mean %s" % (comparison(name), number(mean))
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
