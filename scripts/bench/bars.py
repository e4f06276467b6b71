"""What Ottla has to reach, figure by figure."""
import re

# Scenarios and figures as regular expressions, what is compared (Ottla's ratio to Apache's figure, or its
# own value), and the bound; without one it is enough that the figure could be measured.
BARS = (
    ("produce|replicated", r".*: cpu per .*", "ratio", "<=", 0.2),
    ("produce", r".*: times the floor.*", "value", "<=", 2.5),
    ("consume", r".* (hot|cold), .*: cpu.*", "ratio", "<=", 0.33),
    ("consume", r".*: times the floor", "value", "<=", 1.25),
    ("connections", r".*: cpu", "ratio", "<=", 0.2),
    ("produce|replicated|connections|old-clients", r".*: rate", "ratio", ">=", 2),
    # One connection asks, waits and asks again: the client's part is half of the time.
    ("consume", r".*(kcat|two connections|cold, .*): rate", "ratio", ">=", 2),
    ("latency", r"(alone|beside a cold reader): p99", "ratio", "<=", 0.33),
    ("latency", r"(alone|beside a cold reader): p99\.9", "ratio", "<=", 0.1),
    ("start", r".*: (start to|restart).*", "ratio", "<=", 0.02),
    ("start", r".*: memory|.*: memory after restart", "ratio", "<=", 0.05),
    ("start|produce|replicated|connections|consume", r".*(peak memory|memory after load).*", "ratio", "<=", 0.1),
    ("fsync", r"fsync, 50 producers: share of no fsync", "value", ">=", 0.5),
    ("seek", r".* of the large to that of the small", "value", "<=", 1.2),
    ("partitions", r"50,000 partitions: creation", "value", "<=", None),
    ("partitions", r"controller .* killed.*", "value", "<=", 1),
    ("failover", r"kill -9.*", "value", "<=", 0.5),
    ("failover", r"kill -9.*", "ratio", "<=", 0.05),
)
# From where on a load generator counts as the limit, in percent of what it could do.
LIMIT = 90


def generator_limits(summary, figure):
    """Whether a rate tells of the load generator rather than of Ottla."""
    name, _, what = figure.rpartition(": ")
    generator = summary.get(f"{name}: generator", {}).get("ottla")
    return what in ("rate", "throughput") and bool(generator) and generator["median"] > LIMIT


def judge(summaries):
    """A row for each figure that has a bar: scenario, figure, what is compared, sign, bound, measured, and
    the verdict."""
    rows = []
    for scenarios, figures, compared, sign, bound in BARS:
        for scenario, summary in summaries.items():
            if not re.fullmatch(scenarios, scenario):
                continue
            for figure, row in summary.items():
                measured = row.get("ratio") if compared == "ratio" else row.get("ottla", {}).get("median")
                if measured is None or not re.fullmatch(figures, figure):
                    continue
                reached = bound is None or (measured <= bound if sign == "<=" else measured >= bound)
                verdict = "reached" if reached else (
                    "the generator limits" if generator_limits(summary, figure) else "missed")
                rows.append({"scenario": scenario, "figure": figure, "compared": compared, "sign": sign,
                             "bound": bound, "measured": measured, "verdict": verdict})
    return rows
