"""Medians, spread and ratios: as a table, as JSON, as pictures."""
import json
import os
import pathlib
import platform
import statistics
import sys
import time


def summarize(rounds):
    """`rounds`: kind -> list of {figure: (value, unit)}; figure -> medians, spread, ratio."""
    summary = {}
    figures = [f for kind in rounds for one in rounds[kind] for f in one]
    for figure in dict.fromkeys(figures):
        row = {}
        for kind, measured in rounds.items():
            values = [one[figure][0] for one in measured if figure in one]
            units = [one[figure][1] for one in measured if figure in one]
            if values:
                row["unit"] = units[0]
                row[kind] = {"median": statistics.median(values), "low": min(values), "high": max(values)}
        if row.get("apache", {}).get("median") and "ottla" in row:
            row["ratio"] = row["ottla"]["median"] / row["apache"]["median"]
        summary[figure] = row
    return summary


def table(summary):
    def cell(row, kind):
        if kind not in row:
            return "-"
        return "{median:.4g} ({low:.4g} to {high:.4g})".format(**row[kind])

    width = max(map(len, summary), default=6)
    lines = [f"{'figure':{width}} {'unit':18} {'Ottla':>30} {'Apache 3.9':>30} {'ratio':>7}"]
    for figure, row in summary.items():
        ratio = f"{row['ratio']:.3f}" if "ratio" in row else "-"
        lines.append(f"{figure:{width}} {row['unit']:18} {cell(row, 'ottla'):>30} "
                     f"{cell(row, 'apache'):>30} {ratio:>7}")
    return "\n".join(lines)


def write_json(path, scenario_rounds):
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "cpu": cpu_model(),
                    "memory GiB": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)},
        "command": ["scripts/bench.sh", *sys.argv[1:]],
        "scenarios": {name: {"summary": summarize(rounds), "rounds": rounds}
                      for name, rounds in scenario_rounds.items()},
    }
    pathlib.Path(path).write_text(json.dumps(facts, indent=2))


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def write_plot(path, title, summary):
    """A picture of a scenario: a pair of bars for each figure, as shares of the larger one."""
    rows = [(figure, row) for figure, row in summary.items() if "ratio" in row]
    if not rows:
        return
    height, left, width = 34, 330, 420
    parts = [f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>']
    for number, (figure, row) in enumerate(rows):
        top = 40 + number * height
        largest = max(row[kind]["median"] for kind in ("ottla", "apache"))
        parts.append(f'<text x="10" y="{top + 14}">{escape(figure)}, {escape(row["unit"])}</text>')
        for place, (kind, colour) in enumerate((("ottla", "#1b6ca8"), ("apache", "#b8b8b8"))):
            value = row[kind]["median"]
            length = max(width * value / largest, 1)
            y = top + 2 + 13 * place
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="11" fill="{colour}"/>'
                         f'<text x="{left + length + 5:.1f}" y="{y + 10}">{value:.4g}</text>')
    bottom = 40 + len(rows) * height + 14
    parts.append(f'<text x="10" y="{bottom}" fill="#1b6ca8">Ottla</text>'
                 f'<text x="60" y="{bottom}" fill="#888">Apache Kafka 3.9</text>')
    pathlib.Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{bottom + 12}" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg>\n')


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
