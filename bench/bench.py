#!/usr/bin/env python3
"""Measures Goyt beside Kafka Streams and beside itself without logic, on one broker, in one run. `make bench`, `make bench-quick`.

  bench.py [--quick] [--parts drain,sessions,idle,latency,restart,growth] [--report]

Writes bench/results/full.json (quick.json) and from it docs/performance.md with its plots (target/bench/quick.md). Parts that are not
run keep the figures of the run before, each with its own date. --report only writes the report anew. BENCH_PARTS is the same as --parts.
Environment: BENCH_DATA (folder of the broker's data and the state, under TMPDIR; 40 GB are needed), CARGO_TARGET_DIR, JAVA_HOME.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
import arms  # noqa: E402
import measure  # noqa: E402
import parts  # noqa: E402
import report  # noqa: E402
from measure import HERE, ROOT, TARGET, Void, say  # noqa: E402

PARTS = ["drain", "sessions", "idle", "latency", "restart", "growth"]
SPELLED = {"restore": "restart"}


def machine():
    cpu = next((it.split(":")[1].strip() for it in open("/proc/cpuinfo") if it.startswith("model name")), platform.machine())
    memory = next(int(it.split()[1]) for it in open("/proc/meminfo") if it.startswith("MemTotal")) / 1e6
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True).stderr.splitlines()[0]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gb": round(memory), "kernel": platform.release(), "java": java, "commit": commit}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--report", action="store_true")
    options.add_argument("--parts", default=os.environ.get("BENCH_PARTS") or ",".join(PARTS))
    options = options.parse_args()
    mode = "quick" if options.quick else "full"
    path = os.path.join(HERE, "results", "full.json") if mode == "full" else os.path.join(TARGET, "bench", "quick.json")
    results = json.load(open(path)) if os.path.exists(path) else {}
    failed = False
    if not options.report:
        chosen = [SPELLED.get(it, it) for it in options.parts.replace(" ", ",").split(",") if it]
        unknown = [it for it in chosen if it not in PARTS]
        if unknown:
            sys.exit("bench: no part %s; there are %s" % (", ".join(unknown), ", ".join(PARTS)))
        failed = run(mode, [it for it in PARTS if it in chosen], results, path)
    document = report.write(results, mode)
    print(report.summary(results))
    say("written: %s, %s" % (os.path.relpath(path, ROOT), os.path.relpath(document, ROOT)))
    return 1 if failed else 0


def run(mode, chosen, results, path):
    """Runs parts and keeps the results of each as soon as it is done; whether one of them is void."""
    measure.terminate_at_end()
    say("building")
    arms.build()
    folder = tempfile.mkdtemp(prefix="goyt-bench-", dir=os.environ.get("BENCH_DATA"))
    broker = measure.Broker(os.path.join(folder, "kafka"))
    sizes = parts.FULL if mode == "full" else parts.QUICK
    bench, failed, begin = parts.Bench(broker, folder, sizes), False, time.time()
    try:
        broker.start()
        foreign = measure.wait_for_quiet()
        bench.warm()
        for part in chosen:
            say("part %s" % part)
            started = time.time()
            try:
                figures = getattr(bench, "part_" + part)()
            except Exception as void:  # half an hour is not to be lost for one part
                # Its processes are gone; the next part makes its topics anew.
                if not isinstance(void, Void):
                    traceback.print_exc()
                say("VOID: %s: %s" % (part, void or type(void).__name__))
                results.setdefault("void", {})[part] = str(void)
                failed = True
                continue
            results.get("void", {}).pop(part, None)
            results.setdefault("parts", {})[part] = {
                "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "took": round(time.time() - started), "machine": machine(),
                "foreign_cpu": round(foreign, 3), **figures}
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                json.dump(results, file, indent=1)
                file.write("\n")
    finally:
        keep = failed or os.environ.get("BENCH_KEEP")
        if keep:
            shutil.copy(os.path.join(broker.data, "broker.log"), folder)
        broker.clean()
        if keep:
            say("logs are kept in %s" % folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    say("took %d minutes" % round((time.time() - begin) / 60))
    return failed


if __name__ == "__main__":
    sys.exit(main())
