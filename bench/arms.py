"""The arms: what does the work. Each is one process, started with a name and a state directory of its own."""
import os
import shutil
import signal
import subprocess
import time

import measure
from measure import HERE, ROOT, TARGET

KAFKA_STREAMS = os.path.join(HERE, "kafka-streams")
JAVA_OPTIONS = ["-server", "-Xms1g", "-Xmx1g", "-XX:+UseParallelGC", "-XX:+AlwaysPreTouch", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

# The work: which topology files and topics.
TRANSACTIONS = {
    "kind": "transactions",
    "input": "transaction-events",
    "outputs": ["balance-events", "notification-events"],
    "topology": "transaction-balance",
    "files": [os.path.join(ROOT, "topologies", "transaction-balance.yaml")],
}
SESSIONS = {
    "kind": "sessions",
    "input": "user-events",
    "outputs": ["session-events"],
    "topology": "user-sessions",
    "files": [os.path.join(HERE, "topologies", "user-sessions.yaml")],
}
NAMES = {"kafka-streams": "Kafka Streams", "null": "goyt run --null", "goyt": "Goyt"}


def build():
    """Builds what is not built; cargo and Maven know what is."""
    env = {**os.environ, "CARGO_TARGET_DIR": TARGET, "ROCKSDB_LIB_DIR": os.environ.get("ROCKSDB_LIB_DIR") or os.path.join(TARGET, "lib")}
    if not os.path.exists(os.path.join(env["ROCKSDB_LIB_DIR"], "librocksdb.so")):
        env["ROCKSDB_COMPILE"] = "1"
    subprocess.run(["cargo", "build", "--release", "--bins", "--quiet"], cwd=ROOT, env=env, check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=os.path.join(HERE, "load"), env=env, check=True)
    jar = os.path.join(KAFKA_STREAMS, "target", "bench-kafka-streams.jar")
    sources = [os.path.join(folder, it) for folder, _, files in os.walk(os.path.join(KAFKA_STREAMS, "src")) for it in files]
    sources.append(os.path.join(KAFKA_STREAMS, "pom.xml"))
    if not os.path.exists(jar) or any(os.path.getmtime(jar) < os.path.getmtime(it) for it in sources):
        subprocess.run(["mvn", "-B", "-ntp", "-q", "-f", os.path.join(KAFKA_STREAMS, "pom.xml"), "package"], check=True)


# Both cores for the drains, and for all else.
THREADS = 2


class Arm:
    """One run of one arm. `name`: kafka-streams, null or goyt. `interval`: between commits, ms. `threads`: workers, as Goyt calls them.
    `program`: another Goyt than the one that was built. `env`: what is added to the environment."""
    number = 0

    def __init__(self, name, work, folder, interval=100, threads=THREADS, files=None, program=None, env=None):
        Arm.number += 1
        self.name, self.work, self.interval, self.threads, self.files = name, work, interval, threads, files or work["files"]
        self.program, self.env = program or os.path.join(TARGET, "release", "goyt"), env or {}
        self.application = "bench-%d-%s" % (Arm.number, name)
        self.state = os.path.join(folder, self.application)
        self.log = os.path.join(folder, self.application + ".log")
        self.process, self.pid, self.started = None, None, None
        shutil.rmtree(self.state, ignore_errors=True)

    def topics(self, partitions):
        """What is to be there: {name: partitions}. All arms find their topics made, but those that are internal to them."""
        names = [self.work["input"], self.work["input"] + ".dlq", *self.work["outputs"]]
        if self.name == "kafka-streams":
            names.append(self.application + "-legs")  # its repartition topic: without the DSL one makes it
        return dict.fromkeys(names, partitions)

    def start(self):
        os.makedirs(self.state, exist_ok=True)
        env = {**os.environ, **self.env}
        if self.name == "kafka-streams":
            env.update(APP_ID=self.application, STATE_DIR=self.state, COMMIT_INTERVAL_MS=str(self.interval), TOPOLOGY=self.work["topology"],
                       NUM_STREAM_THREADS=str(self.threads))
            target = os.path.join(KAFKA_STREAMS, "target")
            java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
            command = [java, *JAVA_OPTIONS, "-cp", target + "/bench-kafka-streams.jar:" + target + "/libs/*", "bench.App"]
        else:
            command = [self.program, "run", *self.files, "--config", os.path.join(HERE, "goyt.yaml"),
                       "--application-id", self.application, "--instance-id", "bench", "--state-dir", self.state,
                       "--set", "commit.interval.ms=%d" % self.interval, "--set", "num.stream.threads=%d" % self.threads]
            if self.name == "null":
                command.append("--null")
        with open(self.log, "ab") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(command, env=env, cwd=self.state, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            measure.say("%s did not end when it was told to" % self.application)
            self.kill()

    def wipe(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def log_lines(self, since=0):
        with open(self.log, errors="replace") as file:
            file.seek(since)
            return file.read().splitlines()

    def log_size(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0
