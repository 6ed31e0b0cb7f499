"""What is measured, and how: the broker, processes by /proc, and outputs as a reader of committed records sees them."""
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target"))
TICKS = os.sysconf("SC_CLK_TCK")

# Outputs are complete, and none came for so long: it is done.
SETTLED_SECONDS = 2.0
# No output for so long while some are missing: it hangs.
STALLED_SECONDS = 90.0
# What compaction removed could not be counted: no changelog is compacted while a run lasts.
BROKER_EXTRA = "log.cleaner.min.compaction.lag.ms=86400000"
BROKER_HEAP = "1g"


class Void(Exception):
    """A run whose figures are worth nothing."""


def say(text):
    print("%s bench: %s" % (time.strftime("%H:%M:%S"), text), file=sys.stderr, flush=True)


class Broker:
    """One Kafka for all arms, by scripts/kafka.sh, with its data in a folder of its own."""

    def __init__(self, data):
        self.data = data
        self.env = {**os.environ, "KAFKA_PORT": "0", "KAFKA_DATA": data, "KAFKA_HEAP": BROKER_HEAP, "KAFKA_EXTRA": BROKER_EXTRA}
        self.env.pop("KAFKA_BOOTSTRAP_SERVERS", None)

    def start(self):
        self.address = self._script("start").strip().splitlines()[-1]
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = self.address
        self.pid = int(self._script("status").split()[-1])

    def clean(self):
        self._script("clean")

    def _script(self, command):
        run = subprocess.run([os.path.join(ROOT, "scripts", "kafka.sh"), command], env=self.env, stdout=subprocess.PIPE, text=True, check=True)
        return run.stdout

    def bytes_by_topic(self):
        """What the segments of each topic take on the disk: batches as they are, compressed or not."""
        sizes = {}
        for folder in os.listdir(os.path.join(self.data, "log")):
            topic, _, partition = folder.rpartition("-")
            if not partition.isdigit():
                continue
            path = os.path.join(self.data, "log", folder)
            try:
                files = [os.path.join(path, it) for it in os.listdir(path) if it.endswith(".log")]
                sizes[topic] = sizes.get(topic, 0) + sum(os.stat(it).st_size for it in files)
            except FileNotFoundError:
                pass  # deleted meanwhile
        return sizes


def cpu_seconds(pid):
    """CPU of a process so far, all its threads, user and system."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            text = file.read()
    except FileNotFoundError:
        raise Void("process %d ended by itself" % pid)
    fields = text[text.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid, name):
    """`VmHWM` (the greatest so far) or `VmRSS` (now) of a process, in MB of 10^6 bytes."""
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def load(command, **options):
    """Runs a command of bench/load; its last line is its result."""
    run = subprocess.run(load_command(command, options), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise Void("load %s failed" % command)
    return json.loads(run.stdout.strip().splitlines()[-1])


def load_command(command, options):
    words = [os.path.join(TARGET, "release", "load"), command]
    for name, value in options.items():
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def topics(create, keep=()):
    """Deletes all topics but those to be kept, and makes new ones: {name: partitions}."""
    load("topics", delete_all=True, keep=",".join(keep), create=",".join("%s:%d" % it for it in create.items()))


class Watch:
    """Follows the outputs; each move comes with the CPU of the worker and of the broker at that moment."""

    def __init__(self, names, pids, read=False):
        options = {"topics": ",".join(names)}
        if read:
            options["read"] = True
        self.process = subprocess.Popen(load_command("watch", options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids, self.moves, self.queue = pids, [], queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.base = self.queue.get(timeout=60)[1]
        except queue.Empty:
            self.process.kill()
            raise Void("the outputs can't be watched")

    def _read(self):
        for line in self.process.stdout:
            now = time.monotonic()
            try:
                cpu = [cpu_seconds(pid) for pid in self.pids() if pid]
            except Void:
                cpu = []
            self.queue.put((now, int(line), cpu))

    def next(self, timeout):
        """The next move: (time, outputs since the beginning, CPU seconds of each process), or None."""
        try:
            now, count, cpu = self.queue.get(timeout=timeout)
        except queue.Empty:
            return None
        move = (now, count - self.base, cpu)
        if len(cpu) == 2:
            self.moves.append(move)
        return move

    def until(self, wanted, alive):
        """Waits until `wanted` outputs are there and no more come."""
        last, count = time.monotonic(), 0
        while True:
            move = self.next(0.2)
            if move:
                last, count = move[0], move[1]
            quiet = time.monotonic() - last
            if wanted <= count and SETTLED_SECONDS < quiet:
                return
            if not alive():
                raise Void("the worker ended by itself")
            if STALLED_SECONDS < quiet:
                raise Void("%d of %d outputs, and none for %d s" % (count, wanted, STALLED_SECONDS))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def rates(moves, events, started):
    """Figures of a drain from its moves: from the first to the last visible output, so that no start flatters or spoils."""
    moves = [it for it in moves if 0 < it[1]]
    if len(moves) < 2:
        raise Void("too few commits to measure between")
    first, last = moves[0], moves[-1]
    between = events * (1 - first[1] / last[1])
    seconds = last[0] - first[0]
    return {
        "events": events,
        "seconds": round(seconds, 3),
        "events_per_second": between / seconds,
        "worker_us": (last[2][0] - first[2][0]) / between * 1e6,
        "broker_us": (last[2][1] - first[2][1]) / between * 1e6,
        "start_to_first_output": first[0] - started,
    }


def window(moves, events, low, high):
    """CPU per event between two shares of the outputs (0 to 1)."""
    total = moves[-1][1]
    inside = [it for it in moves if low * total <= it[1] <= high * total]
    between = events * (inside[-1][1] - inside[0][1]) / total
    return [(inside[-1][2][nth] - inside[0][2][nth]) / between * 1e6 for nth in (0, 1)]


def paced(arm, broker, **options):
    """An open loop beside a running arm: latencies, and the CPU of the time that is measured."""
    marks = {}
    process = subprocess.Popen(load_command("pace", options), stdout=subprocess.PIPE, text=True)
    result = None
    for line in process.stdout:
        said = json.loads(line)
        if "mark" in said:
            marks[said["mark"]] = (time.monotonic(), cpu_seconds(arm.pid), cpu_seconds(broker.pid))
        else:
            result = said
    if process.wait() or not result or not result["complete"]:
        raise Void("the open loop did not get all its outputs: %s" % (result and {k: result[k] for k in ("outputs", "wanted")}))
    (t0, w0, b0), (t1, w1, b1) = marks["begin"], marks["end"]
    events = (t1 - t0) * options["rate"]
    return {**result, "rate": options["rate"], "worker_us": (w1 - w0) / events * 1e6, "broker_us": (b1 - b0) / events * 1e6}


def busy_others():
    """Jiffies that all processors were busy."""
    with open("/proc/stat") as file:
        fields = [int(it) for it in file.readline().split()[1:9]]
    return sum(fields[:3]) + sum(fields[5:8])


def wait_for_quiet(limit=60):
    """Waits until the machine does nothing else, at most `limit` seconds; the share that others used at the end."""
    cores, until = os.cpu_count(), time.monotonic() + limit
    while True:
        before = busy_others()
        time.sleep(1)
        share = (busy_others() - before) / TICKS / cores
        if share < 0.1 or until < time.monotonic():
            return share


def terminate_at_end():
    """SIGTERM ends this program as an error does, so that what it started is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
