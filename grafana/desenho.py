#!/usr/bin/env python3
"""Draws a dashboard as a picture (SVG) from the answers of a real Prometheus, without Grafana.

    grafana/desenho.py http://127.0.0.1:9090 grafana/dashboards/visao-geral.json visao-geral.svg [minutes]

Layout, titles, queries, units, colours and thresholds are those of the dashboard; fonts and axes are ours. It shows where
things stand and what they say, not what Grafana looks like to the pixel.
"""
import json
import sys
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

CELL, ROW, PAD = 60, 34, 6
COLORS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffb357", "#96d98d", "#fade2a"]
NAMED = {"green": "#56a64b", "red": "#e02f44", "orange": "#ff780a", "dark-orange": "#c4580a", "dark-red": "#a3182b",
         "blue": "#3274d9", "purple": "#8f3bb8", "gray": "#8e8e8e"}


class Prometheus:
    def __init__(self, url, minutes):
        self.url, self.end, self.span = url, time.time(), int(60 * minutes)

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]["result"]

    def expand(self, expression):
        for word, value in (("$__rate_interval", "30s"), ("$__range", f"{self.span}s"), ("$job", ".*"), ("$instance", ".*")):
            expression = expression.replace(word, value)
        return expression

    def now(self, expression):
        return self.ask("query", query=self.expand(expression), time=self.end)

    def series(self, expression, steps):
        return self.ask("query_range", query=self.expand(expression), start=self.end - self.span, end=self.end,
                        step=max(1, self.span / steps))


def text(x, y, words, size=12, color="#d8d9da", anchor="start", weight="400"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(str(words))}</text>')


def box(x, y, w, h, color, radius=3):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" rx="{radius}" fill="{color}"/>'


def seconds(value):
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(value) >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.2f} s" if abs(value) >= 1 else f"{value * 1000:.0f} ms"


def shown(value, unit, end, decimals=None):
    if value != value:
        return "—"
    if unit == "dateTimeFromNow":
        away = value / 1000 - end
        return f"em {seconds(away)}" if away > 0 else f"há {seconds(-away)}"
    if unit == "percentunit":
        return f"{100 * value:.{1 if decimals is None else decimals}f} %"
    if unit == "s":
        return seconds(value)
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def threshold(defaults, value):
    color = "blue"
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return NAMED.get(color, color)


def mapped(mappings, value):
    for mapping in mappings or []:
        option = mapping["options"].get(f"{value:g}")
        if option:
            return option["text"], NAMED[option["color"]]
    return None


def legend(target, metric):
    words = target["legendFormat"]
    if words == "__auto":
        return ", ".join(value for name, value in metric.items() if name != "__name__")
    for name in ("processor", "outcome", "reason", "schedule", "le", "version", "instance"):
        words = words.replace("{{" + name + "}}", metric.get(name, ""))
    return words


def stat(panel, at, data):
    x, y, w, h = at
    defaults, target = panel["fieldConfig"]["defaults"], panel["targets"][0]
    found = data.now(target["expr"])
    if not found:
        words, color = defaults.get("noValue", "—"), "#2c3235"
    else:
        value = float(found[0]["value"][1])
        words, color = mapped(defaults.get("mappings"), value) or (
            shown(value, defaults["unit"], data.end, defaults.get("decimals")), threshold(defaults, value))
        if panel["options"]["textMode"] == "name":
            words = legend(target, found[0]["metric"])
        if panel["options"]["colorMode"] == "value":
            color = "#2c3235"
    return [box(x, y + 24, w, h - 24, color), text(x + w / 2, y + 24 + (h - 24) / 2 + 9, words, 24, "#fff", "middle", "600")]


def axes(at, low, high, unit, data):
    x, y, w, h = at
    parts = []
    for i in range(4):
        value = low + (high - low) * i / 3
        line = y + h - h * i / 3
        parts += [f'<line x1="{x}" y1="{line:.1f}" x2="{x + w}" y2="{line:.1f}" stroke="#2c3235"/>',
                  text(x - 4, line + 4, shown(value, unit, data.end), 10, "#8e8e8e", "end")]
    for i in range(4):
        moment = time.strftime("%H:%M", time.localtime(data.end - data.span + data.span * i / 3))
        parts.append(text(x + w * i / 3, y + h + 13, moment, 10, "#8e8e8e", "middle"))
    return parts


def timeseries(panel, at, data):
    x, y, w, h = at[0] + 54, at[1] + 30, at[2] - 66, at[3] - 66
    defaults = panel["fieldConfig"]["defaults"]
    fixed = {o["matcher"]["options"]: p["value"]["fixedColor"] for o in panel["fieldConfig"]["overrides"]
             for p in o["properties"] if p["id"] == "color"}
    lines = [(legend(target, found["metric"]), [(float(t), float(v)) for t, v in found["values"]])
             for target in panel["targets"] for found in data.series(target["expr"], 120)]
    stacked, bars = defaults["custom"]["stacking"]["mode"] == "normal", defaults["custom"]["drawStyle"] == "bars"
    sums, drawn = {}, []
    for name, points in lines:
        points = [(t, v) for t, v in points if v == v]
        bottoms = [sums.get(round(t), 0) if stacked else 0 for t, _ in points]
        for (t, v), bottom in zip(points, bottoms):
            sums[round(t)] = bottom + v if stacked else max(v, sums.get(round(t), 0))
        drawn.append((name, points, bottoms))
    high = defaults.get("max") or max([*sums.values(), 0]) * 1.1 or 1
    parts = axes((x, y, w, h), 0, high, defaults["unit"], data)
    px = lambda t: x + w * (t - data.end + data.span) / data.span
    py = lambda v: y + h - h * min(v, high) / high
    label = at[0] + 10
    for i, (name, points, bottoms) in enumerate(drawn):
        color = NAMED.get(fixed.get(name), COLORS[i % len(COLORS)])
        if bars:
            parts += [box(px(t) - 2, py(b + v), 4, py(b) - py(b + v), color, 0) for (t, v), b in zip(points, bottoms) if v]
        elif points:
            top = " ".join(f"{px(t):.1f},{py(b + v):.1f}" for (t, v), b in zip(points, bottoms))
            if stacked:
                under = " ".join(f"{px(t):.1f},{py(b):.1f}" for (t, _), b in reversed(list(zip(points, bottoms))))
                parts.append(f'<polygon points="{top} {under}" fill="{color}" opacity="0.35"/>')
            parts.append(f'<polyline points="{top}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        if label < at[0] + at[2] - 60:
            parts += [box(label, at[1] + at[3] - 14, 10, 4, color), text(label + 14, at[1] + at[3] - 8, name, 10, "#a0a0a0")]
            label += 26 + 6.2 * len(name)
    return parts


def heatmap(panel, at, data):
    x, y, w, h = at[0] + 66, at[1] + 30, at[2] - 78, at[3] - 52
    found = data.series(panel["targets"][0]["expr"], 60)
    rows = sorted(((float(f["metric"]["le"]), dict((float(t), float(v)) for t, v in f["values"])) for f in found), key=lambda r: r[0])
    cells = [(le, {t: max(v - rows[i - 1][1].get(t, 0), 0) if i else v for t, v in values.items()})
             for i, (le, values) in enumerate(rows)]
    used = [i for i, (_, values) in enumerate(cells) if any(v > 0.01 for v in values.values())]
    cells = cells[max(min(used, default=0) - 1, 0):max(used, default=0) + 2]
    most = max((v for _, values in cells for v in values.values()), default=1) or 1
    parts = []
    for i, (le, values) in enumerate(cells):
        top, height = y + h - h * (i + 1) / len(cells), h / len(cells)
        if i % max(1, len(cells) // 5) == 0:
            parts.append(text(x - 4, top + height / 2 + 4, "∞" if le == float("inf") else seconds(le), 10, "#8e8e8e", "end"))
        for t, v in values.items():
            if v > 0.01 and t > data.end - data.span * 59 / 60:
                left = x + w * (t - data.end + data.span) / data.span
                parts.append(f'<g opacity="{0.25 + 0.75 * (v / most) ** 0.5:.2f}">{box(left - w / 60, top, w / 60 - 1, height - 1, "#ff780a", 0)}</g>')
    return parts


def status_history(panel, at, data):
    x, y, w, h = at[0] + 140, at[1] + 30, at[2] - 150, at[3] - 40
    found = sorted(data.series(panel["targets"][0]["expr"], 60), key=lambda f: f["metric"]["processor"])
    parts = []
    for i, series in enumerate(found):
        top, height = y + h * i / len(found), h / len(found)
        parts.append(text(x - 6, top + height / 2 + 4, series["metric"]["processor"], 12, anchor="end"))
        for t, v in series["values"]:
            if float(t) < data.end - data.span * 59 / 60:
                continue
            left = x + w * (float(t) - data.end + data.span) / data.span
            parts.append(box(left - w / 60, top + 2, w / 60 - 1, height - 4, mapped(panel["fieldConfig"]["defaults"]["mappings"], float(v))[1], 1))
    return parts


def table(panel, at, data):
    x, y, w, h = at
    organize = next(t["options"] for t in panel["transformations"] if t["id"] == "organize")
    names, order = organize["renameByName"], organize["indexByName"]
    columns = [names.get(key, key) for key in sorted(order, key=order.get)]
    rows = {}
    for target in panel["targets"]:
        for found in data.now(target["expr"]):
            metric = {k: v for k, v in found["metric"].items() if k not in organize["excludeByName"]}
            row = rows.setdefault(tuple(sorted(metric.items())), {names.get(k, k): v for k, v in metric.items()})
            key = "Value" if len(panel["targets"]) == 1 else f"Value #{target['refId']}"
            row[names[key]] = float(found["value"][1])
    ways = {}
    for override in panel["fieldConfig"]["overrides"]:
        ways.setdefault(override["matcher"]["options"], {}).update({p["id"]: p["value"] for p in override["properties"]})
    listed = sorted(rows.values(), key=lambda row: (row.get("Última", 0), "page ticket info".find(str(row.get("Gravidade", ""))),
                                                    row.get("Processador", "~")))
    width = (w - 20) / len(columns)
    parts = [text(x + 10 + width * i, y + 42, name, 11, "#6e9fff", weight="600") for i, name in enumerate(columns)]
    for j, row in enumerate(listed[: int((h - 54) / 22)]):
        for i, name in enumerate(columns):
            value, way = row.get(name), ways.get(name, {})
            if isinstance(value, float):
                words = mapped(way.get("mappings"), value) or (shown(value, way.get("unit", "none"), data.end, way.get("decimals")), "#d8d9da")
                if "thresholds" in way and "mappings" not in way:
                    words = (words[0], threshold(way, value))
            else:
                words = (value or "—", "#d8d9da")
            parts.append(text(x + 10 + width * i, y + 66 + 22 * j, words[0], 12, words[1], weight="600" if "mappings" in way else "400"))
    return parts


KINDS = {"stat": stat, "timeseries": timeseries, "heatmap": heatmap, "status-history": status_history, "table": table}


def main():
    data = Prometheus(sys.argv[1], float(sys.argv[4]) if len(sys.argv) > 4 else 60)
    with open(sys.argv[2], encoding="utf-8") as file:
        board = json.load(file)
    parts, bottom = [], 0
    for panel in board["panels"]:
        grid = panel["gridPos"]
        at = (grid["x"] * CELL + PAD, grid["y"] * ROW + 44, grid["w"] * CELL - 2 * PAD, grid["h"] * ROW - 2 * PAD)
        bottom = max(bottom, at[1] + at[3])
        if panel["type"] == "row":
            parts.append(text(at[0], at[1] + 18, f"▾ {panel['title']}", 15, weight="600"))
            continue
        parts += [box(*at, "#181b1f"), text(at[0] + 10, at[1] + 17, panel["title"], 13, weight="600"), *KINDS[panel["type"]](panel, at, data)]
    head = text(PAD, 28, board["title"], 18, weight="600")
    picture = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * CELL} {bottom + PAD}" font-family="system-ui, sans-serif">'
               f'{box(0, 0, 24 * CELL, bottom + PAD, "#111217", 0)}{head}' + "\n".join(parts) + "</svg>\n")
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        file.write(picture)


if __name__ == "__main__":
    main()
