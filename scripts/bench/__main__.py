"""The measuring half of bench.sh: see there."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster
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
    parser.add_argument("--plots", metavar="FOLDER", help="draw a picture of each scenario there")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(scenarios.ALL)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(scenarios.ALL)}")

    results = {}
    for name in options.scenarios or scenarios.ALL:
        rounds = {kind: [] for kind in ("ottla", "apache") if options.only in (None, kind)}
        for number in range(options.rounds):
            for kind in reversed(rounds):
                print(f"{name}: round {number + 1} of {options.rounds}: {kind}", flush=True)
                # A ZooKeeper of its own, so that nobody pays for what another left behind.
                with cluster.zookeeper() as address:
                    measured = scenarios.ALL[name](kind, Bench(address, options.scale))
                    rounds[kind].append(measured)
        results[name] = rounds
        summary = report.summarize(rounds)
        print(f"\n{name}: {options.rounds} rounds; median (lowest to highest)\n")
        print(report.table(summary), "\n", flush=True)
        if options.plots:
            pathlib.Path(options.plots).mkdir(parents=True, exist_ok=True)
            report.write_plot(pathlib.Path(options.plots) / f"{name}.svg", name, summary)
    if options.json:
        report.write_json(options.json, results)


if __name__ == "__main__":
    main()
