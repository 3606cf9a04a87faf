"""Plots of how figures grow, as SVG: both axes logarithmic, each curve with the slope of its last decade."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 70, 250, 20, 50
COLOURS = ["#1f6feb", "#c2410c", "#15803d", "#9333ea", "#b91c1c", "#0f766e"]
STYLE = """
text { font: 12px sans-serif; fill: #24292f; } .eixo { stroke: #8b949e; } .grade { stroke: #d0d7de; stroke-width: .5; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .grade { stroke: #30363d; } .fundo { fill: #0d1117; } }
.fundo { fill: #fff; }
@media (prefers-color-scheme: dark) { .fundo { fill: #0d1117; } }
"""


def slope(points):
    """The exponent of growth over the last tenfold of sizes, by least squares; 1 is linear."""
    last = points[-1][0]
    logs = [(math.log(size), math.log(value)) for size, value in points if size >= last / 10]
    middle = [sum(column) / len(logs) for column in zip(*logs)]
    moved = [(size - middle[0], value - middle[1]) for size, value in logs]
    return sum(size * value for size, value in moved) / sum(size * size for size, _ in moved)


def decades(values):
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def plot(curves, across):
    """An SVG of curves, a name and points (size, value) each; `across` names what the sizes count."""
    sizes = [size for points in curves.values() for size, _ in points]
    values = [value for points in curves.values() for _, value in points]
    columns, rows = decades(sizes), decades(values)
    x = lambda size: LEFT + (math.log10(size) - columns[0]) / max(columns[-1] - columns[0], 1) * (WIDTH - LEFT - RIGHT)
    y = lambda value: HEIGHT - BOTTOM - (math.log10(value) - rows[0]) / max(rows[-1] - rows[0], 1) * (HEIGHT - TOP - BOTTOM)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<style>{STYLE}</style>",
        f'<rect class="fundo" width="{WIDTH}" height="{HEIGHT}"/>',
    ]
    for power in columns:
        at = x(10**power)
        lines.append(f'<line class="grade" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        lines.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in rows:
        at = y(10**power)
        lines.append(f'<line class="grade" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>')
    lines.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>')
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in points)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        lines += [f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"/>' for size, value in points]
        at = TOP + 14 + number * 34
        lines.append(f'<circle cx="{WIDTH - RIGHT + 18}" cy="{at - 4}" r="4" fill="{colour}"/>')
        lines.append(f'<text x="{WIDTH - RIGHT + 28}" y="{at}">{name}</text>')
        lines.append(f'<text x="{WIDTH - RIGHT + 28}" y="{at + 15}">slope {slope(points):.2f}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
