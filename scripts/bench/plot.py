"""Pictures of scenarios."""
import pathlib
import re

from report import number

COLOURS = {"ottla": "#1b6ca8", "apache": "#b8b8b8"}


def write(path, title, summary):
    """A pair of bars for each figure that both brokers have, as shares of the larger one."""
    rows = [(figure, row) for figure, row in summary.items()
            if "ratio" in row and not re.search(": the floor.*$", figure)]
    if not rows:
        return False
    height, left, width = 34, 390, 420
    parts = [f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>']
    for place, (figure, row) in enumerate(rows):
        top = 40 + place * height
        largest = max(row[kind]["median"] for kind in COLOURS)
        parts.append(f'<text x="10" y="{top + 16}">{escape(figure)}, {escape(row["unit"])}</text>')
        for line, (kind, colour) in enumerate(COLOURS.items()):
            value = row[kind]["median"]
            length = max(width * value / largest, 1)
            y = top + 2 + 13 * line
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="11" fill="{colour}"/>'
                         f'<text x="{left + length + 5:.1f}" y="{y + 10}">{number(value)}</text>')
    bottom = 40 + len(rows) * height + 14
    parts.append(f'<text x="10" y="{bottom}" fill="{COLOURS["ottla"]}">Ottla</text>'
                 f'<text x="60" y="{bottom}" fill="#888">Apache Kafka 3.9</text>')
    pathlib.Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{bottom + 12}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f'{"".join(parts)}</svg>\n')
    return True


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
