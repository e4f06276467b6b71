"""The measuring half of bench.sh: see there."""
import argparse
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster
import plot
import report
import scenarios


class Bench:
    """What all scenarios share: ZooKeeper's address, and how large they are."""

    def __init__(self, zookeeper, scale):
        self.zookeeper, self.scale = zookeeper, scale

    def scaled(self, number):
        return max(1, round(number * self.scale))

    def seconds(self, number):
        return max(2, round(number * self.scale))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh")
    parser.add_argument("scenarios", nargs="*", metavar="scenario",
                        help=f"some of {', '.join(scenarios.ALL)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the loads, as a share of the usual")
    parser.add_argument("--only", choices=("ottla", "apache"), help="measure one of the two")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there")
    parser.add_argument("--plots", metavar="FOLDER", help="draw a picture of each scenario there")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(scenarios.ALL)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(scenarios.ALL)}")

    # Whoever ends this program ends its brokers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, pictures, failed = {}, {}, []
    for name in options.scenarios or scenarios.ALL:
        began = time.monotonic()
        try:
            results[name] = measure(name, options)
        except (Exception, SystemExit) as error:
            # The others are worth their while all the same.
            failed.append(name)
            print(f"\n{name} FAILED: {error}\n", flush=True)
            continue
        summary = report.summarize(results[name])
        print(f"\n{name}, {time.monotonic() - began:.0f} s: median (lowest to highest)\n")
        print(report.table(report.cells(summary)), "\n", flush=True)
        if options.plots:
            picture = pathlib.Path(options.plots) / f"{name}.svg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            if plot.write(picture, name, summary):
                pictures[name] = picture
        # Written as they come: who ends a long run keeps what it has measured.
        facts = report.facts(options, results)
        if options.json:
            report.write_json(options.json, facts)
        if options.markdown:
            report.write_markdown(options.markdown, facts, pictures)
    if results and facts["bars"]:
        reached = sum(row["verdict"] == "reached" for row in facts["bars"])
        print(f"{reached} of {len(facts['bars'])} bars are reached\n")
        print(report.table(report.verdicts(facts["bars"])))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def measure(name, options):
    """Rounds of a scenario: kind -> figures of each round."""
    rounds = {kind: [] for kind in ("ottla", "apache") if options.only in (None, kind)}
    last = 1 if name in scenarios.ONCE else options.rounds
    for number in range(1, last + 1):
        for kind in reversed(rounds):
            print(f"{name}: round {number} of {last}: {kind}", flush=True)
            # A ZooKeeper of its own, so that nobody pays for what another left behind.
            with cluster.zookeeper() as address:
                rounds[kind].append(scenarios.ALL[name](kind, Bench(address, options.scale)))
    return rounds


if __name__ == "__main__":
    main()
