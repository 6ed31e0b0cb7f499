"""Writes docs/performance.md and its plots from the results: what stands between the page's markers is made here, the rest by people."""
import os
import statistics

import plots
from arms import JAVA_OPTIONS, NAMES
from measure import BROKER_EXTRA, BROKER_HEAP, HERE, ROOT, TARGET
from parts import FULL, PARTITIONS, QUICK, by_setting

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MISSING = "not measured"
KS, NULL, GOYT = "kafka-streams", "null", "goyt"


class Row:
    """A line of the table of goals: `value` is what was found, `met` compares it with a bound."""

    def __init__(self, what, found, value, bar, goal, at_most=True):
        self.what, self.found, self.value, self.at_most = what, found, value, at_most
        self.bar, self.goal = bar, goal

    def judged(self, bound):
        text, number = bound
        if self.value is None or number is None:
            return text
        met = self.value <= number if self.at_most else self.value >= number
        return "%s %s" % (text, "**met**" if met else "not met")

    def cells(self):
        return [self.what, self.found if self.value is not None else MISSING, self.judged(self.bar), self.judged(self.goal)]


def write(results, mode):
    """Writes the page (for a quick run: a page under target/) and its plots."""
    if mode == "full":
        document, folder = os.path.join(ROOT, "docs", "performance.md"), os.path.join(ROOT, "docs", "performance")
    else:
        document, folder = os.path.join(TARGET, "bench", "quick.md"), os.path.join(TARGET, "bench", "quick")
    os.makedirs(folder, exist_ok=True)
    pictures = draw(results, folder)
    generated = "\n".join([BEGIN, *body(results, mode, pictures, os.path.basename(folder)), END])
    if mode == "full":
        with open(document) as file:
            text = file.read()
        head, rest = text.split(BEGIN, 1)
        generated = head + generated + rest.split(END, 1)[1]
    else:
        generated += "\n"
    with open(document, "w") as file:
        file.write(generated)
    return document


def summary(results):
    """The table of goals for the terminal."""
    lines = []
    for row in goals(results):
        what, found, bar, goal = row.cells()
        if found != MISSING:
            lines.append("%-62s %-34s bar %-16s goal %s" % (what, found, bar.replace("*", ""), goal.replace("*", "")))
    lines += ["VOID: %s: %s" % it for it in results.get("void", {}).items()]
    return "\n".join(lines)


# --- figures -----------------------------------------------------------------------------------------------------------------------


def part(results, name):
    return results.get("parts", {}).get(name)


def of(drain, arm, what):
    """The median over an arm's rounds."""
    found = [it[what] for it in drain["runs"] if it["arm"] == arm] if drain else []
    return statistics.median(found) if found else None


def ratio(a, b):
    return a / b if a is not None and b else None


def text(value, form="%.2f"):
    return MISSING if value is None else form % value


def box(drain, arm):
    worker, broker = of(drain, arm, "worker_us"), of(drain, arm, "broker_us")
    return None if worker is None else worker + broker


def besides(drain, arm):
    """Records per event that are neither outputs, dead letters nor on their way through a repartition topic."""
    if not drain:
        return None
    known = ("-events", ".dlq", "-legs", "-repartition")
    runs = [it["topics"] for it in drain["runs"] if it["arm"] == arm]
    return statistics.median(sum(v["records"] for topic, v in it.items() if not topic.endswith(known)) for it in runs)


def best(latency, arm, nth):
    """What an arm has at a rate with the interval and number of threads that ran most often: its best. Medians over these runs; of settings
    that ran as often, the one with the lowest p50 and p99."""
    found = by_setting(latency["runs"] if latency else [], arm)
    if not found:
        return None
    keys = ("p50", "p90", "p99", "p999", "max", "worker_us", "broker_us", "rate")
    most = max(len(runs) for runs in found.values())
    medians = [{"interval": interval, "threads": threads, **{k: statistics.median(it["paced"][nth][k] for it in runs) for k in keys}}
               for (interval, threads), runs in found.items() if len(runs) == most]
    return min(medians, key=lambda it: it["p50"] + it["p99"])


def at_most(number, form="<= %s"):
    return (form % ("%g" % number), number)


def at_least(number, form=">= %s"):
    return (form % ("%g" % number), number)


def guarded(name):
    """A figure of `make guard`, as it is committed; None: not there."""
    with open(os.path.join(ROOT, "benches", "guard.txt")) as file:
        found = [line.rsplit(" ", 1) for line in file if line.startswith(name + " ")]
    return float(found[0][1]) if found else None


def goals(results):
    """The rows of the issue, each with its bar and its goal."""
    drain, idle, latency, restart, growth = (part(results, it) for it in ("drain", "idle", "latency", "restart", "growth"))
    goyt, peer, null = (of(drain, it, "events_per_second") for it in (GOYT, KS, NULL))
    rows = []

    def row(what, value, found, bar, goal, most=True):
        rows.append(Row(what, found if value is not None else MISSING, value, bar, goal, most))

    value = ratio(goyt, peer)
    row("events/s in a drain, Goyt / Kafka Streams", value, drain and "%.2f (%.0f / %.0f)" % (value, goyt, peer), at_least(2.2), at_least(3.3), False)
    value = ratio(goyt, null)
    row("events/s in a drain, Goyt / null with the hop", value, drain and "%.2f (%.0f / %.0f)" % (value, goyt, null), ("", None), at_least(0.8), False)
    for what, pick, bar, goal in [
        ("worker CPU per event, Goyt / Kafka Streams", lambda arm: of(drain, arm, "worker_us"), (0.25, "<= 1/4"), (1 / 6, "<= 1/6")),
        ("worker + broker CPU per event, Goyt / Kafka Streams", lambda arm: box(drain, arm), (0.45, "<= 0.45"), (1 / 3, "<= 1/3")),
    ]:
        a, b = pick(GOYT), pick(KS)
        value = ratio(a, b)
        row(what, value, drain and "%.2f (%.1f / %.1f µs)" % (value, a, b), bar[::-1], goal[::-1])
    value = besides(drain, GOYT)
    row("records written per event besides outputs and repartition", value, drain and "%.2f (Kafka Streams %.2f)" % (value, besides(drain, KS)),
        at_most(2.5), at_most(0.5))
    rates = latency["runs"][0]["paced"] if latency else [{"rate": 2000}, {"rate": 500}]
    for nth, paced in enumerate(rates):
        a, b = best(latency, GOYT, nth), best(latency, KS, nth)
        for what in ("p50", "p99"):
            value = a and b and ratio(a[what], b[what])
            row("%s at %d/s, Goyt / Kafka Streams" % (what, paced["rate"]), value,
                value and "%.2f (%.1f ms, threads: %d / %.1f ms, threads: %d)" % (value, a[what], a["threads"], b[what], b["threads"]),
                at_most(0.6), at_most(0.35))
        value = a and b and ratio(a["worker_us"] + a["broker_us"], b["worker_us"] + b["broker_us"])
        row("worker + broker CPU per event at that latency, %d/s" % paced["rate"], value,
            value and "%.2f (%.0f / %.0f µs)" % (value, a["worker_us"] + a["broker_us"], b["worker_us"] + b["broker_us"]), ("", None), ("", None))
    row("instructions per event on the core path (`make guard`)", guarded("instructions event"), "%.0f" % (guarded("instructions event") or 0), at_most(15_000), at_most(6_000))
    a, b = of(drain, GOYT, "peak_mb"), of(drain, KS, "peak_mb")
    value = ratio(a, b)
    row("peak RSS in a drain, Goyt / Kafka Streams", value, drain and "%.2f (%.0f / %.0f MB)" % (value, a, b), ("<= 1/4", 0.25), ("<= 1/8", 0.125))
    value = idle and idle[GOYT]["rss_mb"]
    row("RSS idle, MB", value, idle and "%.0f (Kafka Streams %.0f)" % (value, idle[KS]["rss_mb"]), at_most(64), at_most(32))
    a, b = of(drain, GOYT, "start_to_first_output"), of(drain, KS, "start_to_first_output")
    value = ratio(a, b)
    row("start to the first committed output, Goyt / Kafka Streams", value, drain and "%.2f (%.2f / %.2f s)" % (value, a, b), ("<= 1/2", 0.5), ("<= 1/5", 0.2))
    stages = restart[GOYT] if restart else []
    value = max((it["seconds"] for it in stages), default=None)
    row("restart after kill -9 to the first output, s", value,
        ", ".join("%.2f with %s keys" % (it["seconds"], millions(it["keys"])) for it in stages), at_most(2), at_most(1))
    pairs = [(mine, other) for mine in stages for other in restart[KS] if mine["keys"] == other["keys"]]
    value = min((ratio(mine["entries_per_second"], other["entries_per_second"]) for mine, other in pairs), default=None)
    row("cold restore, entries/s, Goyt / Kafka Streams", value,
        ", ".join("%.1f with %s keys (%s / %s)" % (
            ratio(mine["entries_per_second"], other["entries_per_second"]), millions(mine["keys"]), thousands(mine["entries_per_second"]),
            thousands(other["entries_per_second"])) for mine, other in pairs), at_least(3), at_least(10), False)
    last = stages[-1] if stages else None
    value = last and ratio(last["raw_seconds"], last["restore_seconds"])
    row("cold restore, speed of a bare consumer of the same records", value,
        value and "%.2f (%.2f / %.2f s)" % (value, last["raw_seconds"], last["restore_seconds"]), ("", None), at_least(0.7), False)
    for what, found, goal in growths(growth):
        value = found and found[0]
        row("CPU per event, %s" % what, value, found and found[1], at_most(1.5) if goal else ("", None), at_most(goal) if goal else ("", None))
    return rows


def growths(growth):
    """What grows, its figures, and the goal; what has no goal is there to be compared with."""
    for keys in growth["keys"] if growth else [None]:
        goal = None if keys and whose(keys) != NAMES[GOYT] else 1.25
        yield ("%s -> %s keys%s" % (millions(keys["low"]), millions(keys["high"]), "" if goal else ": " + whose(keys)) if keys else "1 M -> 10 M keys",
               keys and compared(keys["at_low"][0], keys["at_high"][0]), goal)
    for name, label, goal in [("partitions", "partitions", 1.3), ("topologies", "topologies", 1.1)]:
        found = growth and growth[name]
        ends = (found[0], found[-1]) if found else None
        yield ("%d -> %d %s" % (ends[0][name], ends[1][name], label) if ends else {"partitions": "4 -> 48", "topologies": "1 -> 8"}[name] + " " + label,
               ends and compared(ends[0]["worker_us"], ends[1]["worker_us"]), goal)


def whose(keys):
    """Whose cost was measured over the keys."""
    return NAMES[keys["arm"]] + (", %d MB for state" % keys["memory"] if keys["memory"] else "")


def compared(low, high):
    return high / low, "%.2f (%.1f -> %.1f µs)" % (high / low, low, high)


def millions(number):
    return "%g M" % (number / 1e6) if number >= 1e6 else "%g k" % (number / 1e3)


def thousands(number):
    return "%.0f k" % (number / 1e3)


# --- text --------------------------------------------------------------------------------------------------------------------------


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(it) for it in row) + " |" for row in rows] + [""]


def body(results, mode, pictures, folder):
    yield ""
    if mode == "quick":
        yield "# A quick run: small, and not to be quoted"
        yield ""
    yield "### Goals"
    yield ""
    yield from table(["measure", "found", "bar", "goal"], [it.cells() for it in goals(results)])
    for name, reason in results.get("void", {}).items():
        yield "**%s is void**: %s" % (name, reason)
        yield ""
    for name, title in [("drain", "Drain: transactions → balances and notifications"), ("sessions", "Drain: log-ins and sessions counted per user")]:
        yield from drained(part(results, name), title, [it for it in pictures if it.startswith(name)], folder)
    yield from latencies(part(results, "latency"), pictures, folder)
    yield from restarts(part(results, "restart"), part(results, "idle"), pictures, folder)
    yield from grown(part(results, "growth"), pictures, folder)
    yield from settings(results, mode)


def picture(name, folder, title):
    return ["![%s](%s/%s.svg)" % (title, folder, name), ""]


def drained(drain, title, pictures, folder):
    yield "### " + title
    yield ""
    if not drain:
        yield from [MISSING + ".", ""]
        return
    yield "%s records, %s distinct events that take effect, %d output records on each output topic. Every run:" % (
        "{:,}".format(drain["records"]), "{:,}".format(drain["events"]), drain["outputs"])
    yield ""
    rows = [[NAMES[it["arm"]], "%.0f" % it["events_per_second"], "%.1f" % it["worker_us"], "%.1f" % it["broker_us"], "%.0f" % it["peak_mb"],
             "%.2f" % it["start_to_first_output"], "counted" if it["verified"] == "counted" else "%d records" % it["verified"]] for it in drain["runs"]]
    yield from table(["arm, in the order of the run", "events/s", "worker µs/event", "broker µs/event", "peak RSS MB", "start to first output s", "verified"], rows)
    for it in pictures:
        yield from picture(it, folder, title)
    yield "Written per event, by topic (`*` is the application's name):"
    yield ""
    rows = []
    for arm in (KS, NULL, GOYT):
        run = next((it for it in drain["runs"] if it["arm"] == arm), None)
        for topic, it in sorted(run["topics"].items()) if run else []:
            if it["records"] >= 0.0005:
                rows.append([NAMES[arm], "`%s`" % topic, "%.3f" % it["records"], "%.1f" % it["bytes"]])
    yield from table(["arm", "topic", "records", "bytes on disk"], rows)


def latencies(latency, pictures, folder):
    yield "### Latency in an open loop"
    yield ""
    if not latency:
        yield from [MISSING + ".", ""]
        return
    rows = []
    for run in latency["runs"]:
        for it in run["paced"]:
            rows.append([NAMES[run["arm"]], run["interval"], run.get("threads", 1), it["rate"], *("%.1f" % it[k] for k in ("p50", "p90", "p99", "p999", "max")),
                         "%.0f" % it["worker_us"], "%.0f" % it["broker_us"], it["measured"]])
    yield from table(["arm", "commit interval ms", "threads", "events/s", "p50 ms", "p90", "p99", "p99.9", "max", "worker µs/event", "broker µs/event", "outputs"], rows)
    for it in pictures:
        if it.startswith("latency"):
            yield from picture(it, folder, "latency")


def restarts(restart, idle, pictures, folder):
    yield "### Start, restart, restore, idle"
    yield ""
    if not restart:
        yield from ["Restart and restore: %s." % MISSING, ""]
    else:
        rows = []
        for arm in (KS, GOYT):
            for it in restart[arm]:
                rows.append([NAMES[arm], millions(it["keys"]), ", ".join("%.2f" % s for s in it["kill_to_output"]), "%d" % it["entries"],
                             "%d" % it["restored"], "%.2f" % it["restore_seconds"], thousands(it["entries_per_second"]), "%.2f" % it["raw_seconds"]])
        yield from table(["arm", "events known", "kill -9: start to output, s", "cold: entries restored", "from records", "in s", "entries/s", "a bare consumer, s"], rows)
        if "restart" in pictures:
            yield from picture("restart", folder, "restart")
    if not idle:
        yield from ["Idle: %s." % MISSING, ""]
    else:
        rows = [[NAMES[arm], "%.0f" % idle[arm]["rss_mb"], "%.2f" % idle[arm]["worker_percent"], "%.2f" % idle[arm]["broker_percent"]] for arm in (KS, GOYT)]
        yield from table(["idle", "RSS MB", "worker, % of a core", "broker besides, % of a core"], rows)


def grown(growth, pictures, folder):
    yield "### Growth"
    yield ""
    if not growth:
        yield from [MISSING + ".", ""]
        return
    rows = []
    for keys in growth["keys"]:
        rows.append(["keys: " + whose(keys), millions(keys["low"]), "%.1f" % keys["at_low"][0], "%.1f" % keys["at_low"][1], "", ""])
        rows.append(["", millions(keys["high"]), "%.1f" % keys["at_high"][0], "%.1f" % keys["at_high"][1], "%.0f" % keys["peak_mb"], ""])
    for name in ("partitions", "topologies"):
        for it in growth[name]:
            pace = it.get("paced")
            runs = it.get("worker_us_of_runs")
            each = " (of %s)" % ", ".join("%.1f" % us for us in runs) if runs else ""
            rows.append([name, it[name], "%.1f%s" % (it["worker_us"], each), "%.1f" % it["broker_us"], "%.0f" % it["peak_mb"],
                         "%.0f + %.0f" % (pace["worker_us"], pace["broker_us"]) if pace else ""])
    yield from table(["of what", "how many", "worker µs/event", "broker µs/event", "peak RSS MB", "at 5,000/s: worker + broker µs/event"], rows)
    for it in pictures:
        if it.startswith("growth"):
            yield from picture(it, folder, "growth")


def settings(results, mode):
    yield "### Machine and settings"
    yield ""
    rows = []
    for name, it in results.get("parts", {}).items():
        m = it["machine"]
        rows.append([name, it["when"], "%d s" % it["took"], m["commit"], "%d × %s, %d GB" % (m["cores"], m["cpu"], m["memory_gb"]),
                     "Linux %s, %s" % (m["kernel"], m["java"])])
    yield from table(["part", "when", "took", "commit", "machine", "software"], rows)
    sizes = FULL if mode == "full" else QUICK
    with open(os.path.join(HERE, "goyt.yaml")) as file:
        goyt = [it.strip() for it in file if it.strip() and not it.startswith("#")]
    yield "- Broker: Apache Kafka by `scripts/kafka.sh`, heap %s, `%s`; warmed by a drain of %s records that is not counted; %d partitions." % (
        BROKER_HEAP, BROKER_EXTRA, "{:,}".format(sizes["warm"]), PARTITIONS)
    yield "- Goyt: [bench/goyt.yaml](../bench/goyt.yaml) (`%s`), `commit.interval.ms` 100 and `num.stream.threads` 2 where no other is named; all else at its default." % "`, `".join(goyt)
    yield "- Kafka Streams: exactly_once_v2, commit interval and linger 100 ms and 2 threads where no other is named, cache 64 MB, lz4, batches of 256 KB, "
    yield "  5,000 records a poll and buffered, static membership; `%s`." % " ".join(it for it in JAVA_OPTIONS if not it.startswith("-D"))
    yield "- Sizes: `%s` in [bench/parts.py](../bench/parts.py)." % ("FULL" if mode == "full" else "QUICK")
    yield ""


# --- plots -------------------------------------------------------------------------------------------------------------------------


def draw(results, folder):
    """Draws what was measured; the names of the plots."""
    drawn = {}
    for name in ("drain", "sessions"):
        drain = part(results, name)
        if not drain:
            continue
        arms = [it for it in (KS, NULL, GOYT) if of(drain, it, "worker_us") is not None]
        drawn[name] = plots.bars("Drain (%s): events/s" % name, "first to last output, median of the rounds",
                                 [(NAMES[it], {"": of(drain, it, "events_per_second")}) for it in arms], [""])
        drawn[name + "-cpu"] = plots.bars("Drain (%s): CPU per event" % name, "µs", [
            (NAMES[it], {"worker": of(drain, it, "worker_us"), "broker": of(drain, it, "broker_us")}) for it in arms], ["worker", "broker"])
        topics = {it: next(run["topics"] for run in drain["runs"] if run["arm"] == it) for it in arms}
        kinds = {"outputs": ("-events",), "repartition": ("-repartition", "-legs"), "changelogs": ("-changelog",)}
        groups = [(NAMES[it], {kind: sum(v["records"] for topic, v in topics[it].items() if topic.endswith(ends)) for kind, ends in kinds.items()})
                  for it in arms]
        drawn[name + "-records"] = plots.bars("Records written per event (%s)" % name, "records", groups, list(kinds))
    latency = part(results, "latency")
    if latency:
        for nth, paced in enumerate(latency["runs"][0]["paced"]):
            series, seen = [], set()
            for run in latency["runs"]:
                name = "%s, %d ms, threads: %d" % (NAMES[run["arm"]], run["interval"], run.get("threads", 1))
                if name not in seen:
                    seen.add(name)
                    # The x axis is the number of nines: what is rare has room.
                    series.append((name, [(1 / (1 - share), value) for share, value in run["paced"][nth]["curve"] if share < 0.9995 and value is not None]))
            drawn["latency-%d" % paced["rate"]] = plots.lines(
                "Latency at %d events/s" % paced["rate"], "ms from the intended time of sending to a reader of committed records", series, "percentile", True,
                {1: "0", 2: "50", 10: "90", 100: "99", 1000: "99.9"})
    restart = part(results, "restart")
    if restart:
        groups = [("%s, %s" % (NAMES[arm], millions(it["keys"])), {"": it["seconds"]}) for arm in (KS, GOYT) for it in restart[arm]]
        drawn["restart"] = plots.bars("Restart after kill -9: start to the first committed output", "seconds, by number of events known", groups, [""])
    growth = part(results, "growth")
    if growth:
        curve = growth["keys"][0]["curve"]
        drawn["growth-keys"] = plots.lines("CPU of the worker per event while the number of keys grows", "µs", [
            (whose(keys), [(it[0], it[1]) for it in keys["curve"]]) for keys in growth["keys"]], "events processed", False,
            {it: millions(round(it)) for it in (curve[0][0], curve[len(curve) // 2][0], curve[-1][0])})
        for name in ("partitions", "topologies"):
            drawn["growth-" + name] = plots.lines("CPU per event over the number of %s" % name, "µs", [
                (what, [(it[name], it[what + "_us"]) for it in growth[name]]) for what in ("worker", "broker")], name)
    for name, svg in drawn.items():
        with open(os.path.join(folder, name + ".svg"), "w") as file:
            file.write(svg)
    return list(drawn)
