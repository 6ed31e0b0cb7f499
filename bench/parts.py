"""The parts of the benchmark. Each returns its figures as plain data; a run whose outputs are not verified raises `Void`."""
import json
import os
import re
import shutil
import statistics
import subprocess
import time

from arms import NAMES, SESSIONS, THREADS, TRANSACTIONS, Arm
from measure import ROOT, Void, Watch, cpu_seconds, load, load_command, memory_mb, paced, rates, say, topics, wait_for_quiet, window

PARTITIONS = 6
# The null writes samples: it has about as many outputs as there must be.
NULL_TOLERANCE = 0.03
# Each once forward and once backward: what drifts while they run, such as a broker that warms up, meets all alike.
ABBA = ["kafka-streams", "null", "goyt", "goyt", "null", "kafka-streams"]
# "paces": the commit intervals (ms) and numbers of threads that latency is measured with, of both arms. 30 ms is the better interval of both,
# as `make bench-quick` shows. "pace_lead": seconds of each open loop before it counts; the first of each arm, which does not count, is longer.
# "pace_tries": so often each setting runs before the best one of each arm is chosen; "pace_rounds": so often that runs once more.
FULL = {
    "warm": 1_000_000, "drain": 2_000_000, "sessions": 2_000_000, "rounds": 2, "rates": [2000, 500], "pace_seconds": 15, "pace_warm": 1_000_000,
    "pace_lead": 10, "pace_first": 120, "paces": [(30, 2), (30, 1)], "pace_tries": 2, "pace_rounds": 3,
    "restart": [1_000_000, 5_000_000], "kills": 3, "peer_restart": [1_000_000, 5_000_000], "idle_seconds": 10,
    "keys": [1_000_000, 10_000_000], "partitions": [4, 12, 48], "grow": 2_000_000, "topologies": [1, 8],
}
QUICK = {
    "warm": 200_000, "drain": 300_000, "sessions": 300_000, "rounds": 1, "rates": [2000, 500], "pace_seconds": 5, "pace_warm": 60_000,
    "pace_lead": 2, "pace_first": 10, "paces": [(100, 2), (30, 2), (30, 1)], "pace_tries": 1, "pace_rounds": 0, "restart": [100_000, 300_000],
    "kills": 2, "peer_restart": [100_000], "idle_seconds": 5, "keys": [50_000, 500_000], "partitions": [4, 48], "grow": 150_000, "topologies": [1, 8],
}
# So many more records are under way when a process is killed.
IN_FLIGHT = 60_000
# Whose cost is measured over the keys. MB: what `statestore.cache.max.bytes` is then; without, all of the arm is as it is in the other parts.
KEYS_ARMS = [("goyt", None), ("goyt", 64), ("kafka-streams", None)]
# Of the topologies: rounds of drains, each with one and with eight.
GROWTH_ROUNDS = 3
RESTART_LIMIT_SECONDS = 180
# Outputs that do not change for so long are all that come.
SETTLED_AFTER = 5


class Bench:
    """What the parts share: a broker, a folder, sizes."""

    def __init__(self, broker, folder, sizes):
        self.broker, self.folder, self.sizes, self.checked = broker, folder, sizes, False

    # --- one drain -------------------------------------------------------------------------------------------------------------

    def drain(self, arm, watch, outputs, limit_watch=None):
        """Starts the arm, and waits until all outputs are there."""
        arm.start()
        watch.until(outputs * (1 if arm.name != "null" else 1 - NULL_TOLERANCE), arm.alive)

    def drain_round(self, name, work, loaded, number, **how):
        """One arm drains the input that is there. Figures; the outputs are verified and deleted."""
        arm = Arm(name, work, self.folder, **how)
        wanted = {it: count for it, count in arm.topics(PARTITIONS).items() if it != work["input"]}
        topics(wanted, keep=[work["input"]])
        before = self.broker.bytes_by_topic()
        watch = Watch(work["outputs"], lambda: (arm.pid, self.broker.pid))
        try:
            outputs = loaded["outputs"] * len(work["outputs"])
            self.drain(arm, watch, outputs)
            figures = rates(watch.moves, loaded["events"], arm.started)
            figures["peak_mb"] = memory_mb(arm.pid, "VmHWM")
        finally:
            watch.close()
            arm.stop()
        figures["topics"] = self.by_topic(arm, loaded["events"], before)
        figures["verified"] = self.verify(arm, work, loaded, number)
        if not self.checked:
            self.check_the_check(number)
            self.checked = True
        arm.wipe()
        say("  %-16s %7.0f events/s, %5.1f + %5.1f us, %5.0f MB, first output after %.2f s" % (
            NAMES[name], figures["events_per_second"], figures["worker_us"], figures["broker_us"], figures["peak_mb"],
            figures["start_to_first_output"]))
        return figures

    def by_topic(self, arm, events, before):
        """Records and bytes written per event, by topic; the application's name is taken off."""
        sizes, found = self.broker.bytes_by_topic(), {}
        for topic, records in load("ends").items():
            if topic == arm.work["input"] or not records:
                continue
            size = sizes.get(topic, 0) - before.get(topic, 0)
            found[topic.replace(arm.application, "*")] = {"records": records / events, "bytes": size / events}
        return found

    def verify(self, arm, work, loaded, number, **options):
        """Whether the outputs are what must come of the input. Those of the null are counted: they mean nothing."""
        # Kafka Streams calls it an error that it wipes state after kill -9.
        errors = [it for it in arm.log_lines() if '"level":"ERROR"' in it]
        if errors:
            raise Void("%s: %d errors in its log, the first: %s" % (arm.application, len(errors), errors[0]))
        if arm.name == "null":
            ends = load("ends")
            for topic in work["outputs"]:
                share = ends[topic] / loaded["outputs"]
                if abs(share - 1) > NULL_TOLERANCE:
                    raise Void("the null wrote %.1f %% of the records of %s" % (share * 100, topic))
            return "counted"
        found = load("verify", kind=work["kind"], to=number, **options)
        if not found["ok"]:
            raise Void("%s: %d faults in %d outputs: %s" % (arm.application, found["faults"], found["records"], "; ".join(found["shown"])))
        return found["records"]

    # --- parts -----------------------------------------------------------------------------------------------------------------

    def warm(self):
        """One drain that is not counted: no arm meets a cold broker."""
        count = self.sizes["warm"]
        say("warming the broker: %d records" % count)
        topics(Arm("goyt", TRANSACTIONS, self.folder).topics(PARTITIONS))
        loaded = load("generate", kind="transactions", to=count)
        self.drain_round("goyt", TRANSACTIONS, loaded, count)

    def check_the_check(self, number):
        """What is verified can fail: the outputs of one load are not those of another, nor of a longer one."""
        for options in ({"seed": 2, "to": number}, {"to": number + 1_000}):
            if load("verify", kind="transactions", **options)["ok"]:
                raise Void("the check of outputs finds nothing: %s" % options)

    def part_drain(self, work=TRANSACTIONS, size="drain"):
        count = self.sizes[size]
        say("writing %d records" % count)
        topics({work["input"]: PARTITIONS})
        loaded = load("generate", kind=work["kind"], to=count)
        runs = []
        for name in ABBA * self.sizes["rounds"]:
            wait_for_quiet(20)
            runs.append({"arm": name, **self.drain_round(name, work, loaded, count)})
        return {"records": count, **loaded, "runs": runs}

    def part_sessions(self):
        return self.part_drain(SESSIONS, "sessions")

    def part_idle(self):
        """A fresh process with nothing to do."""
        found = {}
        for name in ["kafka-streams", "goyt"]:
            arm = Arm(name, TRANSACTIONS, self.folder)
            topics(arm.topics(PARTITIONS))
            broker = cpu_seconds(self.broker.pid)
            time.sleep(self.sizes["idle_seconds"])
            alone = cpu_seconds(self.broker.pid) - broker
            arm.start()
            time.sleep(10)  # until it has its partitions, and done what it does once
            cpu, broker, begin = cpu_seconds(arm.pid), cpu_seconds(self.broker.pid), time.monotonic()
            time.sleep(self.sizes["idle_seconds"])
            seconds = time.monotonic() - begin
            found[name] = {
                "rss_mb": memory_mb(arm.pid, "VmRSS"),
                "worker_percent": (cpu_seconds(arm.pid) - cpu) / seconds * 100,
                "broker_percent": (cpu_seconds(self.broker.pid) - broker - alone * seconds / self.sizes["idle_seconds"]) / seconds * 100,
            }
            arm.stop()
            arm.wipe()
            say("  %-16s idle: %.0f MB, %.2f %% of a core, broker %.2f %%" % (NAMES[name], *found[name].values()))
        return found

    def part_latency(self):
        """Open loops, with each arm at each commit interval and number of threads.

        Small transactions make the broker's JVM compile anew, for minutes and on a core of its own: first one loop of each arm that
        does not count.
        """
        for arm in ["kafka-streams", "goyt"]:
            self.latency_run(arm, *self.sizes["paces"][0], lead=self.sizes["pace_first"], counted=[])
        runs = self.in_turn([(arm, *it) for it in self.sizes["paces"] for arm in ["kafka-streams", "goyt"]], self.sizes["pace_tries"])
        # Two runs of one setting differ by more than the arms do: the best one of each arm has more of them.
        runs += self.in_turn([(arm, *best_setting(runs, arm)) for arm in ["kafka-streams", "goyt"]], self.sizes["pace_rounds"])
        return {"runs": runs, "seconds": self.sizes["pace_seconds"]}

    def in_turn(self, settings, rounds):
        """Each setting once in a round; every second round runs backward."""
        return [self.latency_run(*it) for nth in range(rounds) for it in settings[:: -1 if nth % 2 else 1]]

    def latency_run(self, name, interval, threads=THREADS, lead=None, counted=None):
        arm, warm = Arm(name, TRANSACTIONS, self.folder, interval, threads), self.sizes["pace_warm"]
        topics(arm.topics(PARTITIONS))
        loaded = load("generate", kind="transactions", to=warm)
        watch, at, found = Watch(TRANSACTIONS["outputs"], lambda: (arm.pid, self.broker.pid)), warm, []
        try:
            self.drain(arm, watch, loaded["outputs"] * 2)
            watch.close()
            os.sync()  # Else the system does it half a minute after the drain: in the time that counts.
            lead = self.sizes["pace_lead"] if lead is None else lead
            at += paced(arm, self.broker, kind="transactions", rate=self.sizes["rates"][0], seconds=lead, **{"from": at})["records"]
            for rate in self.sizes["rates"] if counted is None else counted:
                it = paced(arm, self.broker, kind="transactions", rate=rate, seconds=self.sizes["pace_seconds"], **{"from": at})
                at += it["records"]
                found.append(it)
                say("  %-16s %d threads, %4d ms, %4d/s: p50 %6.1f, p99 %6.1f, p99.9 %6.1f ms; %4.0f + %4.0f us" % (
                    NAMES[name], threads, interval, rate, it["p50"], it["p99"], it["p999"], it["worker_us"], it["broker_us"]))
        finally:
            watch.close()
            arm.stop()
        self.verify(arm, TRANSACTIONS, None, at)
        arm.wipe()
        return {"arm": name, "interval": interval, "threads": threads, "paced": found}

    def part_restart(self):
        """Kills a process in the middle of its work, and restores state that is gone."""
        return {
            "goyt": self.restart_run("goyt", self.sizes["restart"]),
            "kafka-streams": self.restart_run("kafka-streams", self.sizes["peer_restart"]),
        }

    def restart_run(self, name, stages):
        arm, found = Arm(name, TRANSACTIONS, self.folder), []
        topics(arm.topics(PARTITIONS))
        self.known = 0
        try:
            at = self.stages(arm, stages, found)
        finally:
            arm.stop()
        self.verify(arm, TRANSACTIONS, None, at)
        arm.wipe()
        return found

    def stages(self, arm, stages, found):
        at = 0
        for keys in stages:
            self.grow_to(arm, at, keys)
            at = keys
            kills = []
            for _ in range(self.sizes["kills"]):
                kills.append(self.kill_and_restart(arm, at))
                at += IN_FLIGHT
            cold = self.cold_start(arm)
            found.append({"keys": keys, "kill_to_output": kills, "seconds": statistics.median(kills), **cold})
            say("  %-16s %d keys: output %s s after the start that follows kill -9; %d entries restored at %.0f/s from %d records, which a bare "
                "consumer reads in %.2f s" % (NAMES[arm.name], keys, ", ".join("%.2f" % it for it in kills), cold["entries"],
                                              cold["entries_per_second"], cold["restored"], cold["raw_seconds"]))
            self.settle(arm)
        return at

    def grow_to(self, arm, at, number):
        """More events, until all of them are known to the arm."""
        watch = Watch(TRANSACTIONS["outputs"], lambda: (arm.pid, self.broker.pid))
        try:
            more = load("generate", kind="transactions", to=number, **{"from": at})
            self.known += more["events"]
            if not arm.alive():
                arm.start()
            watch.until(more["outputs"] * 2, arm.alive)
        finally:
            watch.close()

    def kill_and_restart(self, arm, at):
        """From the start of the new process to the first output that it committed, with work under way at the kill."""
        watch = Watch(TRANSACTIONS["outputs"], lambda: (), read=True)
        burst = subprocess.Popen(load_command("generate", {"kind": "transactions", "from": at, "to": at + IN_FLIGHT}), stdout=subprocess.PIPE)
        try:
            until = time.monotonic() + RESTART_LIMIT_SECONDS
            while not (watch.next(0.5) or (0, 0))[1]:
                if until < time.monotonic():
                    raise Void("no output of a burst")
            arm.kill()
        finally:
            watch.close()
            self.known += json.loads(burst.communicate()[0])["events"]
        watch = Watch(TRANSACTIONS["outputs"], lambda: (), read=True)
        try:
            time.sleep(0.2)
            since = arm.log_size()
            arm.start()
            until = time.monotonic() + RESTART_LIMIT_SECONDS
            while time.monotonic() < until:
                move = watch.next(0.5)
                if move and 0 < move[1]:
                    took = move[0] - arm.started
                    break
                if not arm.alive():
                    raise Void("it ended after the restart")
            else:
                raise Void("no output after the restart")
        finally:
            watch.close()
        # The rest, until nothing comes any more.
        self.settle(arm)
        read = [tuple(map(int, it.groups())) for it in map(CHANGELOG_READ.search, arm.log_lines(since)) if it]
        if read:
            say("  %-16s after kill -9: %d of %d changelog records read" % (NAMES[arm.name], sum(it[0] for it in read), sum(it[1] for it in read)))
        return took

    def settle(self, arm):
        """Waits until nothing comes any more."""
        seen, since = None, time.monotonic()
        while time.monotonic() < since + SETTLED_AFTER:
            ends = load("ends")
            now = [ends[it] for it in arm.work["outputs"]]
            if now != seen:
                seen, since = now, time.monotonic()
            if not arm.alive():
                raise Void("it ended while it worked")
            time.sleep(0.5)

    def cold_start(self, arm):
        """State wiped: how fast the changelogs are read into it, beside a consumer that only reads them."""
        arm.stop()
        arm.wipe()
        since = arm.log_size()
        arm.start()
        until = time.monotonic() + RESTART_LIMIT_SECONDS
        while time.monotonic() < until:
            time.sleep(0.2)
            restored = (restored_goyt if arm.name == "goyt" else restored_kafka_streams)(arm.log_lines(since))
            if restored:
                break
            if not arm.alive():
                raise Void("it ended while it restored")
        else:
            raise Void("it did not restore in time")
        changelogs = [it for it in load("ends") if it.startswith(arm.application) and it.endswith("-changelog")]
        raw = load("consume", topics=",".join(changelogs))
        records, seconds = restored
        # Kafka Streams has a record for each id. Goyt has many ids in one record: it restores so many more entries than it reads records.
        entries = records + (self.known if arm.name == "goyt" else 0)
        return {"restored": records, "entries": entries, "restore_seconds": seconds, "entries_per_second": entries / seconds,
                "raw_seconds": raw["seconds"], "raw_records": raw["records"]}

    def part_growth(self):
        return {"keys": [self.growth_keys(*it) for it in KEYS_ARMS], "partitions": self.growth_partitions(), "topologies": self.growth_topologies()}

    def growth_keys(self, name, memory):
        """One long drain of events whose ids and wallets are ever new: what an event costs when so many keys are known. `memory`: MB for state."""
        low, high = self.sizes["keys"]
        load_ = {"keys": high // 2, "zipf": 0}
        arm = Arm(name, TRANSACTIONS, self.folder, env={"GOYT_STATESTORE_CACHE_MAX_BYTES": str(memory << 20)} if memory else None)
        topics(arm.topics(PARTITIONS))
        loaded = load("generate", kind="transactions", to=high, **load_)
        watch = Watch(TRANSACTIONS["outputs"], lambda: (arm.pid, self.broker.pid))
        try:
            self.drain(arm, watch, loaded["outputs"] * 2)
            peak = memory_mb(arm.pid, "VmHWM")
        finally:
            watch.close()
            arm.stop()
        self.verify(arm, TRANSACTIONS, loaded, high, **load_)
        shares = [it / 20 for it in range(21)]
        curve = [[high * (a + b) / 2, *window(watch.moves, loaded["events"], a, b)] for a, b in zip(shares, shares[1:])]
        at = lambda keys: window(watch.moves, loaded["events"], max(0.02, keys / high * 0.5), keys / high)  # noqa: E731
        found = {"arm": name, "memory": memory, "low": low, "high": high, "at_low": at(low), "at_high": window(watch.moves, loaded["events"], 0.9, 1.0), "curve": curve,
                 "peak_mb": peak}
        arm.wipe()
        say("  %-16s keys: %.1f us an event at %d, %.1f at %d%s; %.0f MB" % (
            NAMES[name], found["at_low"][0], low, found["at_high"][0], high, ", with %d MB for state" % memory if memory else "", peak))
        return found

    def growth_partitions(self):
        found, count = [], self.sizes["grow"]
        for partitions in self.sizes["partitions"]:
            arm = Arm("goyt", TRANSACTIONS, self.folder)
            topics(arm.topics(partitions))
            loaded = load("generate", kind="transactions", to=count)
            watch = Watch(TRANSACTIONS["outputs"], lambda: (arm.pid, self.broker.pid))
            try:
                self.drain(arm, watch, loaded["outputs"] * 2)
                watch.close()
                figures = rates(watch.moves, loaded["events"], arm.started)
                figures["peak_mb"] = memory_mb(arm.pid, "VmHWM")
                pace = paced(arm, self.broker, kind="transactions", rate=5000, seconds=self.sizes["pace_seconds"], **{"from": count})
            finally:
                watch.close()
                arm.stop()
            self.verify(arm, TRANSACTIONS, loaded, count + pace["records"])
            arm.wipe()
            pace.pop("curve")
            found.append({"partitions": partitions, **figures, "paced": pace})
            say("  %d partitions: %.1f + %.1f us an event, %.0f + %.0f at 5000/s" % (
                partitions, figures["worker_us"], figures["broker_us"], pace["worker_us"], pace["broker_us"]))
        return found

    def growth_topologies(self):
        """Single drains differ by more than what is looked for: some rounds, in turn, and of each count the one in the middle."""
        counts = self.sizes["topologies"]
        runs = {count: [] for count in counts}
        for nth in range(GROWTH_ROUNDS):
            for count in counts[:: -1 if nth % 2 else 1]:
                runs[count].append(self.topologies(count))
        middle = lambda of: sorted(of, key=lambda it: it["worker_us"])[len(of) // 2]  # noqa: E731
        return [{**middle(of), "worker_us_of_runs": [it["worker_us"] for it in of]} for of in runs.values()]

    def topologies(self, count):
        """A drain by so many copies of the topology."""
        each = self.sizes["grow"] // count
        suffixes = ["-%d" % it for it in range(1, count + 1)]
        arm = Arm("goyt", TRANSACTIONS, self.folder, files=[self.copies(suffixes)])
        names = [TRANSACTIONS["input"], *TRANSACTIONS["outputs"]]
        topics({name + suffix: PARTITIONS for name in names for suffix in suffixes})
        loaded = [load("generate", kind="transactions", to=each, seed=nth, suffix=suffix) for nth, suffix in enumerate(suffixes)]
        events, outputs = (sum(it[what] for it in loaded) for what in ("events", "outputs"))
        watched = [name + suffix for name in TRANSACTIONS["outputs"] for suffix in suffixes]
        watch = Watch(watched, lambda: (arm.pid, self.broker.pid))
        try:
            self.drain(arm, watch, outputs * 2)
            figures = rates(watch.moves, events, arm.started)
            figures["peak_mb"] = memory_mb(arm.pid, "VmHWM")
        finally:
            watch.close()
            arm.stop()
        for nth, suffix in enumerate(suffixes):
            self.verify(arm, TRANSACTIONS, None, each, seed=nth, suffix=suffix)
        arm.wipe()
        say("  %d topologies: %.1f + %.1f us an event" % (count, figures["worker_us"], figures["broker_us"]))
        return {"topologies": count, **figures}

    def copies(self, suffixes):
        """A folder with the topology once for each suffix, each with topics of its own."""
        folder = os.path.join(self.folder, "topologies")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copytree(os.path.join(ROOT, "topologies", "events"), os.path.join(folder, "events"))
        with open(TRANSACTIONS["files"][0]) as file:
            text = file.read()
        for suffix in suffixes:
            copy = text.replace("topology: transaction-balance", "topology: transaction-balance" + suffix)
            for name in [TRANSACTIONS["input"], *TRANSACTIONS["outputs"]]:
                copy = copy.replace(": " + name, ": " + name + suffix)
            with open(os.path.join(folder, "transaction-balance%s.yaml" % suffix), "w") as file:
                file.write(copy)
        return folder


def by_setting(runs, arm):
    """An arm's runs by the commit interval and number of threads that they had."""
    found = {}
    for run in runs:
        if run["arm"] == arm:
            found.setdefault((run["interval"], run["threads"]), []).append(run)
    return found


def best_setting(runs, arm):
    """The setting with which p50 and p99 were lowest, at all rates together, in the median of its runs."""
    together = lambda run: sum(it["p50"] + it["p99"] for it in run["paced"])  # noqa: E731
    found = by_setting(runs, arm)
    return min(found, key=lambda setting: statistics.median(map(together, found[setting])))


CHANGELOG_READ = re.compile(r"restored: (\d+) records read of (\d+)")
RESTORED = re.compile(r"task \S+ restored: (\d+) records read of \d+ in ([0-9.]+) s")


def restored_goyt(lines):
    """(records, seconds) when all tasks are restored: from the first that began to the last that ended."""
    times, records, began, running = [], 0, 0, 0
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        text = said.get("message") or said.get("fields", {}).get("message", "")
        if " restoring: " in text and "%" not in text:
            began += 1
            times.append(said["timestamp"])
        if " running" in text and text.startswith("task "):
            running += 1
        found = RESTORED.search(text)
        if found:
            records += int(found.group(1))
            times.append(said["timestamp"])
    if running < 2 * PARTITIONS or not records:
        return None
    seconds = [_seconds(it) for it in times]
    return records, max(seconds) - min(seconds)


def restored_kafka_streams(lines):
    times, records, open_ = [], 0, 0
    for line in lines:
        words = line.split()
        if len(words) == 4 and words[0] in ("restoring", "restored"):
            times.append(int(words[1]) / 1000)
            open_ += 1 if words[0] == "restoring" else -1
            records += int(words[3]) if words[0] == "restored" else 0
    # Two stores in each partition.
    if len(times) < 4 * PARTITIONS or open_:
        return None
    return records, max(times) - min(times)


def _seconds(timestamp):
    """Seconds of the day of a log line; a run over midnight is not worth the trouble."""
    hours, minutes, seconds = timestamp.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
