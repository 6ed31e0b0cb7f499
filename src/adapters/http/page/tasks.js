// Tasks by instance: which has which partition, and how each stands.

import { count, el, show, span, table } from "./format.js";

let chosen = null;

export function draw(place, detail, tasks, lag, self) {
  const own = new Map(tasks.map((it) => [it.id, it]));
  const all = new Map(lag.map((it) => [it.task, { id: it.task, instance: it.instance, partition: it.partition, lag: it, state: "running" }]));
  for (const task of tasks) all.set(task.id, { ...task, instance: task.instance ?? self, lag: all.get(task.id)?.lag });
  const instances = group([...all.values()], (it) => it.instance || "nobody");
  const rows = [...instances].sort().flatMap(([instance, tasks]) =>
    [...group(tasks, (it) => it.id.replace(/_\d+$/, ""))].sort().map(([part, tasks], index) => [
      index ? "" : el("strong", {}, instance, instance === self ? " (this one)" : ""),
      part,
      el("span", { class: "chips" }, tasks.sort((a, b) => a.partition - b.partition).map((it) => chip(it, () => choose(detail, own, all, it.id)))),
    ]),
  );
  show(place, table(["Instance", "Subtopology", "Partitions"], rows, "No task runs: the instance has no place in the group yet."));
  if (chosen && all.has(chosen)) describe(detail, own, all, chosen);
}

function chip(task, open) {
  const status = statusOf(task);
  const waits = task.lag?.recordsBehind ? `, ${count(task.lag.recordsBehind)} records behind` : "";
  return el("button", { class: `chip ${status}`, title: `${task.id}: ${status}${waits}`, onclick: open }, String(task.partition));
}

function statusOf(task) {
  if (task.state === "running") return task.lag?.status ?? "ok";
  return task.state === "restoring" ? "restoring" : "stopped";
}

function choose(detail, own, all, id) {
  chosen = chosen === id ? null : id;
  if (chosen) describe(detail, own, all, id);
  else show(detail);
}

function describe(detail, own, all, id) {
  const [task, mine] = [all.get(id), own.get(id)];
  const lag = task.lag;
  const facts = [
    ["State", mine ? mine.state + (mine.restored ? ` (${count(mine.restored.done)} of ${count(mine.restored.of)})` : "") : statusOf(task)],
    mine?.reason && ["Why", mine.reason],
    lag && ["Source", `${lag.topic}[${lag.partition}]`],
    lag && ["Position", `${count(lag.position)} of ${count(lag.visibleEnd)}, committed ${lag.committed ?? "nothing yet"}`],
    lag && ["Behind", lag.recordsBehind ? `${count(lag.recordsBehind)} records, ${span(lag.secondsBehind * 1000)}` : "nothing waits"],
    mine && ["Records", outcomes(mine.outcomes)],
    mine?.dead.length && ["Dead letters", mine.dead.map((it) => `${it.step} ${it.reason}: ${count(it.count)}`).join(", ")],
  ].filter(Boolean);
  show(detail, el("h3", {}, id), el("dl", { class: "facts" }, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

function outcomes(it) {
  const parts = [["processed", it.processed], ["passed by", it.passedBy], ["filtered", it.filtered], ["duplicates", it.duplicate], ["dead", it.dead]];
  return `${count(it.in)} in = ${parts.map(([name, n]) => `${count(n)} ${name}`).join(" + ")}`;
}

function group(items, by) {
  const groups = new Map();
  for (const it of items) groups.set(by(it), [...(groups.get(by(it)) ?? []), it]);
  return groups;
}
