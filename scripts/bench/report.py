"""Medians, spread and ratios: as a table, as Markdown, as JSON."""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import bars
from cluster import CLIENTS, ROOT

SIGNS = {"<=": "≤", ">=": "≥"}
KINDS = (("ottla", "Ottla"), ("apache", "Apache 3.9"))


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
        if row.get("apache", {}).get("median") and "ottla" in row and not figure.endswith(": generator"):
            row["ratio"] = row["ottla"]["median"] / row["apache"]["median"]
        summary[figure] = row
    return summary


def number(value):
    """Three digits, as people write them."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(summary):
    """The rows of a table as text: figure, unit, a column for each kind, ratio."""
    yield ["figure", "unit", *(name for _, name in KINDS), "ratio"]
    for figure, row in summary.items():
        values = []
        for kind, _ in KINDS:
            got = row.get(kind)
            spread = got and got["low"] < got["high"]
            values.append("-" if not got else number(got["median"]) + (
                f" ({number(got['low'])} to {number(got['high'])})" if spread else ""))
        ratio = number(row["ratio"]) if "ratio" in row else "-"
        if bars.generator_limits(summary, figure):
            ratio += " (generator limits)"
        yield [figure, row["unit"], *values, ratio]


def verdicts(rows):
    """The rows of the table of bars as text."""
    yield ["scenario", "figure", "bar", "measured", "verdict"]
    for row in rows:
        what = " of Apache's" if row["compared"] == "ratio" else ""
        bar = "possible" if row["bound"] is None else f"{SIGNS[row['sign']]} {number(row['bound'])}{what}"
        yield [row["scenario"], row["figure"], bar,
               number(row["measured"]), row["verdict"]]


def table(rows):
    rows = list(rows)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def markdown_table(rows):
    first, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([first, "|" + " --- |" * (first.count(" | ") + 1), *rest])


def facts(options, results):
    """Everything that was measured, and where, when and how."""
    summaries = {name: summarize(rounds) for name, rounds in results.items()}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release(), "disk": disk(),
            "memory GiB": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        },
        "versions": {
            "Ottla": said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
            "Apache Kafka": ", ".join(jar.stem.removeprefix("kafka-clients-")
                                      for jar in (CLIENTS / "java/3.9").glob("kafka-clients-*.jar")),
            "Java": said("java", "-version", form=r'version "(.*?)"'),
            "kcat": said("kcat", "-V", form=r"Version (\S+)"), "librdkafka": said("kcat", "-V", form=r"librdkafka (\S+)"),
        },
        "command": " ".join(["scripts/bench.sh", *sys.argv[1:]]),
        "rounds": options.rounds,
        "scale": options.scale,
        "bars": bars.judge(summaries),
        "scenarios": {name: {"summary": summaries[name], "rounds": rounds} for name, rounds in results.items()},
    }


def write_json(path, facts):
    pathlib.Path(path).write_text(json.dumps(facts, indent=2))


def write_markdown(path, facts, pictures):
    """A section for a page of text; `pictures`: scenario -> path of its picture."""
    machine = facts["machine"]
    parts = [
        f"`{facts['command']}` on {facts['date']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory GiB']} GiB, Linux {machine['kernel']}, {machine['disk']}. "
        + "; ".join(f"{name} {version}" for name, version in facts["versions"].items()) + ". "
        f"Medians of {facts['rounds']} rounds (lowest to highest), and Ottla's ratio to Apache's.",
        "### Bars", markdown_table(verdicts(facts["bars"])),
    ]
    for name, scenario in facts["scenarios"].items():
        parts += [f"### {name}", markdown_table(cells(scenario["summary"]))]
        if name in pictures:
            parts.append(f"![{name}]({os.path.relpath(pictures[name], pathlib.Path(path).parent)})")
    pathlib.Path(path).write_text("\n\n".join(parts) + "\n")


def said(*command, form=r"(.+)"):
    """What a program says of itself."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(form, done.stdout)
    return found[1].strip() if found else "unknown"


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def disk():
    """Device and file system of the brokers' folders."""
    return said("findmnt", "-no", "SOURCE,FSTYPE", "-T", tempfile.gettempdir())
