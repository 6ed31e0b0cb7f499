"""Plots as SVG, by hand: bars and lines are all that is needed, and nothing is to be installed for them."""
import math
from html import escape

WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 44, 58
COLOURS = {"Kafka Streams": "#8c8c8c", "goyt run --null": "#9ecae1", "Goyt": "#1f6fb2", "worker": "#1f6fb2", "broker": "#9ecae1"}
MORE = ["#1f6fb2", "#d95f02", "#8c8c8c", "#e6ab02", "#66a61e", "#7570b3", "#a6761d", "#9ecae1"]
FONT = "font-family=\"sans-serif\" font-size=\"12\""


def _number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return ("%.1f" % (value / 1e6)).rstrip("0").rstrip(".") + " M"
    if abs(value) >= 1e4:
        return "%.0f k" % (value / 1e3)
    return "%.0f" % value if abs(value) >= 10 else ("%.2f" % value).rstrip("0").rstrip(".")


def _ticks(top):
    step = 10 ** math.floor(math.log10(top))
    for factor in (0.1, 0.2, 0.25, 0.5, 1, 2):
        if top / (step * factor) <= 6:
            step *= factor
            break
    return [it * step for it in range(int(top / step) + 1)]


def _frame(title, unit, top, body, legend):
    scale = (HEIGHT - TOP - BOTTOM) / top
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">' % (WIDTH, HEIGHT, escape(title)),
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="%d" y="18" %s font-weight="bold" fill="#222">%s</text>' % (LEFT, FONT, escape(title)),
           '<text x="%d" y="35" %s fill="#666">%s</text>' % (LEFT, FONT, escape(unit))]
    for tick in _ticks(top):
        y = HEIGHT - BOTTOM - tick * scale
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e4e4e4"/>' % (LEFT, WIDTH - RIGHT, y, y))
        out.append('<text x="%d" y="%.1f" %s fill="#666" text-anchor="end">%s</text>' % (LEFT - 6, y + 4, FONT, _number(tick)))
    out += body(scale)
    x = LEFT
    for name, colour in legend:
        out.append('<rect x="%d" y="%d" width="11" height="11" fill="%s"/>' % (x, HEIGHT - 18, colour))
        out.append('<text x="%d" y="%d" %s fill="#222">%s</text>' % (x + 15, HEIGHT - 8, FONT, escape(name)))
        x += 30 + 7 * len(name)
    return "\n".join(out + ["</svg>"]) + "\n"


def bars(title, unit, groups, names):
    """Stacked bars: groups are (label, {name: value})."""
    top = 1.1 * max(sum(values.values()) for _, values in groups)
    colours = {it: COLOURS.get(it, MORE[nth % len(MORE)]) for nth, it in enumerate(names)}
    slot = (WIDTH - LEFT - RIGHT) / len(groups)

    def body(scale):
        out = []
        for nth, (label, values) in enumerate(groups):
            x, y = LEFT + slot * (nth + 0.2), HEIGHT - BOTTOM
            for name in names:
                height = values.get(name, 0) * scale
                y -= height
                if height:
                    out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>' % (x, y, slot * 0.6, height, colours[name]))
            middle = x + slot * 0.3
            out.append('<text x="%.1f" y="%.1f" %s fill="#222" text-anchor="middle">%s</text>' % (middle, y - 4, FONT, _number(sum(values.values()))))
            out.append('<text x="%.1f" y="%d" %s fill="#222" text-anchor="middle">%s</text>' % (middle, HEIGHT - BOTTOM + 16, FONT, escape(label)))
        return out

    return _frame(title, unit, top, body, list(colours.items()) if len(names) > 1 else [])


def lines(title, unit, series, axis, log=False, labels=None):
    """Lines through points: series are (name, [(x, y)]). `labels`: {x: text} below the axis."""
    points = [it for _, line in series for it in line]
    top = 1.1 * max(y for _, y in points)
    place = (lambda x: math.log10(max(x, 1e-9))) if log else (lambda x: x)
    low, high = min(place(x) for x, _ in points), max(place(x) for x, _ in points)
    at = lambda x: LEFT + (place(x) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT - 20)  # noqa: E731
    colours = [(name, COLOURS.get(name, MORE[nth % len(MORE)])) for nth, (name, _) in enumerate(series)]

    def body(scale):
        out = []
        for (_, line), (_, colour) in zip(series, colours):
            path = " ".join("%.1f,%.1f" % (at(x), HEIGHT - BOTTOM - y * scale) for x, y in line)
            out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour))
            if len(line) < 12:
                out += ['<circle cx="%s" cy="%s" r="3" fill="%s"/>' % (*it.split(","), colour) for it in path.split()]
        for x in sorted({x for x, _ in points}) if labels is None else labels:
            text = labels[x] if labels else _number(x)
            out.append('<text x="%.1f" y="%d" %s fill="#222" text-anchor="middle">%s</text>' % (at(x), HEIGHT - BOTTOM + 16, FONT, escape(text)))
        out.append('<text x="%d" y="%d" %s fill="#666" text-anchor="end">%s</text>' % (WIDTH - RIGHT, HEIGHT - BOTTOM + 32, FONT, escape(axis)))
        return out

    return _frame(title, unit, top, body, colours)
