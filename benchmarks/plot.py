"""Draws how costs grow, as SVG.

Both axes are logarithmic. Our cost at the smallest size is 1, so that nothing depends on the
machine but the ratios.

"""

import math
import os
from xml.sax.saxutils import escape

from report import least

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 560, 50, 340
LABEL_HEIGHT = 17

# Dark enough on white; which line is whose is written at its end, too.
STYLES = {
    "ours": ("asynq (this package)", "#0b5cad", 3),
    "original": ("asynq 1.6.0, compiled", "#b3261e", 2),
    "asyncio": ("aiodataloader, asyncio", "#1b7a36", 2),
    "uvloop": ("aiodataloader, uvloop", "#7a4bb0", 2),
    "floor": ("barest trampoline (floor)", "#5f6368", 2),
}

PICTURES = {
    "tasks": ("Cost per task", "tasks that are waited for together"),
    "blocked": ("Cost of a flush for one task", "other tasks that stay blocked meanwhile"),
}


class Axis:
    """Puts the numbers from the first to the last tick on a line of the picture."""

    def __init__(self, ticks, begin, end):
        self.ticks = ticks
        self._begin = begin
        self._scale = (end - begin) / math.log(ticks[-1] / ticks[0])

    def place(self, value):
        return self._begin + self._scale * math.log(value / self.ticks[0])


def ticks_around(low, high):
    """Round numbers, the first not above ``low``, and the last not below ``high``."""
    steps = (1, 10) if high > 300 * low else (1, 2, 5, 10)
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    numbers = sorted({step * 10.0**decade for decade in decades for step in steps})
    below = max(number for number in numbers if number <= low)
    above = min(number for number in numbers if number >= high and number > below)
    return [number for number in numbers if below <= number <= above]


def curves(by_size):
    """``{peer: [(size, cost)]}`` from the rounds by size and peer; our cost at first is 1."""
    sizes = sorted(map(int, by_size))
    unit = least(by_size[str(sizes[0])]["ours"])
    return {
        name: [(size, least(by_size[str(size)][name]) / unit) for size in sizes]
        for name in STYLES
        if name in by_size[str(sizes[0])]
    }


def picture(key, by_size):
    """The text of an SVG file."""
    title, along = PICTURES[key]
    lines = curves(by_size)
    costs = [cost for points in lines.values() for _, cost in points]
    x = Axis(sorted(map(int, by_size)), LEFT, RIGHT)
    y = Axis(ticks_around(min(costs), max(costs)), BOTTOM, TOP)
    title += " (this package's with %s = 1)" % "{:,}".format(x.ticks[0])
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"'
        ' font-family="sans-serif" font-size="13">' % (WIDTH, HEIGHT, WIDTH, HEIGHT),
        "<title>%s</title>" % escape(title),
        '<rect width="100%" height="100%" fill="white"/>',
        text(LEFT, 28, title, size=16),
        text((LEFT + RIGHT) / 2, BOTTOM + 42, along, anchor="middle"),
    ]
    for tick in x.ticks:
        parts.append(rule(x.place(tick), TOP, x.place(tick), BOTTOM))
        parts.append(text(x.place(tick), BOTTOM + 20, "{:,}".format(tick), anchor="middle"))
    for tick in y.ticks:
        parts.append(rule(LEFT, y.place(tick), RIGHT, y.place(tick)))
        parts.append(text(LEFT - 8, y.place(tick) + 4, "{:,g}".format(tick), anchor="end"))
    heights = spread({name: y.place(points[-1][1]) for name, points in lines.items()})
    for name, points in lines.items():
        label, colour, width = STYLES[name]
        places = [(x.place(size), y.place(cost)) for size, cost in points]
        parts.append(
            '<polyline points="%s" fill="none" stroke="%s" stroke-width="%d"/>'
            % (" ".join("%.1f,%.1f" % place for place in places), colour, width)
        )
        for place in places:
            parts.append('<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>' % (place + (colour,)))
        parts.append(text(RIGHT + 12, heights[name] + 4, label, colour=colour))
    return "\n".join(parts + ["</svg>", ""])


def spread(heights):
    """Move labels apart that would overlap, none above the uppermost line or out of sight."""
    placed = {}
    last = -LABEL_HEIGHT
    for name in sorted(heights, key=heights.get):
        last = placed[name] = max(heights[name], last + LABEL_HEIGHT)
    return placed


def text(x, y, words, anchor="start", colour="#202124", size=13):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s" font-size="%d">%s</text>' % (
        x,
        y,
        anchor,
        colour,
        size,
        escape(words),
    )


def rule(x1, y1, x2, y2):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dadce0"/>' % (x1, y1, x2, y2)


def draw(data, directory):
    """Write a file for each picture."""
    os.makedirs(directory, exist_ok=True)
    for key in PICTURES:
        with open(os.path.join(directory, key + ".svg"), "w") as file:
            file.write(picture(key, data[key]))
