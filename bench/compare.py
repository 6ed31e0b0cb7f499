#!/usr/bin/env python3
"""Drains by several programs or settings in turn, on one broker: what a change gained, on this machine, now.

  compare.py [--events N] [--rounds N] VARIANT VARIANT ...

A variant is a program as one would call it, with its environment before it; `kafka-streams` stands for the peer. In every second round
the order is reversed. Each drain's outputs are verified. For two states of the code, keep the program of the first:

  cp target/release/goyt target/release/before; ...; bench/compare.py target/release/before target/release/goyt
  bench/compare.py target/release/goyt "GOYT_PRODUCER_LINGER_MS=50 target/release/goyt"
"""
import argparse
import os
import re
import shlex
import shutil
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True
import arms  # noqa: E402
import measure  # noqa: E402
import parts  # noqa: E402
from measure import TARGET, say  # noqa: E402


def variant(text):
    """What a variant stands for: the arm's name, and how it is started."""
    *before, program = shlex.split(text)
    wrong = [it for it in before if not re.match(r"\w+=", it)]
    if wrong:
        raise argparse.ArgumentTypeError("%r is no variable of the environment" % wrong[0])
    env = dict(it.split("=", 1) for it in before)
    if program == "kafka-streams":
        return text, program, {"env": env}
    if not os.access(program, os.X_OK):
        raise argparse.ArgumentTypeError("there is no program %s" % program)
    # A program that was moved finds the libraries of those that were not.
    return text, "goyt", {"env": {"LD_LIBRARY_PATH": os.path.join(TARGET, "lib"), **env}, "program": os.path.abspath(program)}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("variants", nargs="+", type=variant, metavar="VARIANT")
    options = options.parse_args()
    measure.terminate_at_end()
    arms.build()
    folder = tempfile.mkdtemp(prefix="goyt-compare-", dir=os.environ.get("BENCH_DATA"))
    broker = measure.Broker(os.path.join(folder, "kafka"))
    bench, found = parts.Bench(broker, folder, parts.FULL), {}
    try:
        broker.start()
        measure.wait_for_quiet()
        bench.warm()
        work = parts.TRANSACTIONS
        measure.topics({work["input"]: parts.PARTITIONS})
        loaded = measure.load("generate", kind=work["kind"], to=options.events)
        for nth in range(options.rounds):
            for text, name, how in options.variants[:: -1 if nth % 2 else 1]:
                say("round %d: %s" % (nth + 1, text))
                found.setdefault(text, []).append(bench.drain_round(name, work, loaded, options.events, **how))
    finally:
        broker.clean()
        shutil.rmtree(folder, ignore_errors=True)
    for text, runs in found.items():
        rate, worker, of_broker = (statistics.median(it[k] for it in runs) for k in ("events_per_second", "worker_us", "broker_us"))
        print("median of %d: %7.0f events/s, %5.1f + %5.1f us  %s" % (len(runs), rate, worker, of_broker, text))


if __name__ == "__main__":
    main()
