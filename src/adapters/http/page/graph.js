// The topologies as one graph: topics, and between them subtopologies with their steps; rates, lag and errors on it.

import { count, el, rate, show, short, span } from "./format.js";
import { layered } from "./layout.js";

const TOPIC_HEIGHT = 46;
const HEAD = 48;
const ROW = 22;
const FOOT = 10;
const PEN = document.createElement("canvas").getContext("2d");
const WORST = ["stopped", "stalled", "blocked", "restoring", "slow", "ok"];

/** How wide a text is when it is drawn. */
function wide(text, bold) {
  PEN.font = `${bold ? "600 " : ""}13px ${getComputedStyle(document.body).fontFamily}`;
  return Math.ceil(PEN.measureText(text).width);
}

/** Subtopologies and topics out of the nodes and edges of all topologies. */
export function model(application, topologies) {
  const topics = new Map();
  const parts = new Map();
  const edges = new Map();
  for (const topology of topologies) {
    const node = new Map(topology.nodes.map((it) => [it.id, it]));
    const part = (it) => `${topology.name}.${it.subtopology}`;
    for (const it of topology.nodes.filter((it) => it.kind === "step")) {
      const id = part(it);
      if (!parts.has(id)) parts.set(id, { id, topology: topology.name, name: it.subtopology, steps: [] });
      parts.get(id).steps.push({ id: it.label, operator: it.operator, stores: [] });
    }
    for (const { from, to } of topology.edges) {
      const [a, b] = [node.get(from), node.get(to)];
      if (!a || !b) continue;
      if (b.kind === "store") {
        const step = parts.get(part(a)).steps.find((it) => it.id === a.label);
        step.stores.push(b.label);
      }
      for (const it of [a, b]) {
        if (it.kind === "topic" && it.role !== "dead letters") topics.set(it.label, { ...it, name: nameOf(it, application, topology.name) });
      }
      // What can't be decoded fails before the first step.
      if (b.role === "dead letters" && parts.get(part(a)).steps[0].id !== "decode") {
        parts.get(part(a)).steps.unshift({ id: "decode", operator: "", stores: [] });
      }
      const end = (it) => (it.kind === "topic" ? `topic ${it.label}` : part(it));
      const shown = (it) => it.kind === "step" || (it.kind === "topic" && topics.has(it.label));
      if (shown(a) && shown(b) && end(a) !== end(b)) edges.set(`${end(a)} ${end(b)}`, { from: end(a), to: end(b) });
    }
  }
  return { topics, parts, edges: [...edges.values()] };
}

/** An internal topic is called after its step: the rest of its name is said by where it stands. */
function nameOf(topic, application, topology) {
  const before = `${application}-${topology}-`;
  return topic.role === "repartition" && topic.label.startsWith(before) ? topic.label.slice(before.length, -"-repartition".length) : topic.label;
}

/** @param live {parts: Map id → {rate, lag, behind, status, dead: Map step → n}, topics: Map name → {published, rate}} */
export function draw(place, { topics, parts, edges }, live) {
  if (!parts.size) return show(place, el("p", { class: "empty" }, "No topology runs here."));
  const nodes = [
    ...[...parts.values()].map((it) => ({ id: it.id, part: it, width: partWidth(it), height: HEAD + it.steps.length * ROW + FOOT })),
    ...[...topics.values()].map((it) => ({ id: `topic ${it.label}`, topic: it, width: topicWidth(it), height: TOPIC_HEIGHT })),
  ];
  const { width, height, at, ways } = layered(nodes, edges);
  const drawn = edges.map((it) => edge(it, at, ways.get(`${it.from} ${it.to}`) ?? [], edges, live));
  const boxes = nodes.map((it) => (it.part ? partBox(it.part, at.get(it.id), live) : topicBox(it.topic, at.get(it.id), live)));
  const arrow = el(
    "marker",
    { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
    el("path", { d: "M0 0 8 4 0 8z" }),
  );
  const size = { width: width + 4, height: height + 20, viewBox: `-2 -12 ${width + 4} ${height + 20}` };
  show(place, el("svg", { ...size, role: "img", "aria-label": "Topics and topologies" }, el("defs", {}, arrow), drawn, boxes));
}

function topicWidth(topic) {
  return Math.max(wide(topic.name, true), wide(topicNote(topic, 888_888))) + 36;
}

function topicNote(topic, written) {
  return topic.role === "input" ? "input" : `${topic.role} · ${short(written)} written`;
}

function partWidth(part) {
  const rows = part.steps.map((it) => wide(it.id) + wide(it.operator) + Math.max(60, wide(`▤ ${it.stores.join(", ")}`)) + 52);
  return Math.max(200, ...rows, wide(part.topology, true) + 100);
}

function edge({ from, to }, at, way, edges, live) {
  const [a, b] = [at.get(from), at.get(to)];
  const points = [[a.x + a.width, a.y + a.height / 2], ...way.map((id) => [at.get(id).x, at.get(id).y + 2]), [b.x, b.y + b.height / 2]];
  const line = points.slice(1).map(([x2, y2], index) => {
    const [x1, y1] = points[index];
    const bend = (x2 - x1) / 2;
    return `C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  });
  const reads = live.parts.get(to);
  const writers = edges.filter((it) => it.to === to).length;
  const flow = reads ? reads.rate : writers === 1 ? live.topics.get(to.slice("topic ".length))?.rate : undefined;
  const [[x1, y1], [x2, y2]] = points.slice(-2);
  // Above a line that is level, in the gap that it leaves in one that is not.
  const y = (y1 + y2) / 2 + (Math.abs(y2 - y1) < 10 ? -8 : 4);
  const label = flow !== undefined && el("text", { x: (x1 + x2) / 2, y, class: "flow" }, rate(flow));
  const moves = flow === undefined ? 0 < (live.parts.get(from)?.rate ?? 0) : 0 < flow;
  return el("g", { class: `edge${moves ? " moves" : ""}` }, el("path", { d: `M${points[0].join(" ")}${line.join("")}`, "marker-end": "url(#arrow)" }), label);
}

function topicBox(topic, { x, y, width, height }, live) {
  const published = live.topics.get(topic.label);
  const note = topicNote(topic, published?.published ?? 0);
  return el(
    "g",
    { class: `topic ${topic.role}`, transform: `translate(${x} ${y})` },
    el("title", {}, `${topic.label}: ${topic.role}`),
    el("rect", { width, height, rx: height / 2 }),
    el("text", { x: width / 2, y: 20, class: "name" }, topic.name),
    el("text", { x: width / 2, y: 36, class: "note" }, note),
  );
}

function partBox(part, { x, y, width, height }, live) {
  const it = live.parts.get(part.id) ?? { lag: 0, behind: 0, status: "stopped", dead: new Map() };
  const waits = it.lag ? `${short(it.lag)} behind · ${span(it.behind)}` : "nothing waits";
  const head = [
    el("text", { x: 12, y: 20, class: "name" }, part.topology),
    el("text", { x: width - 12, y: 20, class: "status" }, it.status),
    el("text", { x: 12, y: 38, class: "note" }, waits),
  ];
  return el(
    "g",
    { class: `part ${it.status}`, transform: `translate(${x} ${y})` },
    el("title", {}, `${part.id}: ${it.status}`),
    el("rect", { width, height, rx: 8 }),
    head,
    el("line", { x1: 0, x2: width, y1: HEAD - 3, y2: HEAD - 3 }),
    part.steps.map((step, index) => stepRow(step, HEAD + 14 + index * ROW, width, it.dead.get(step.id))),
  );
}

function stepRow(step, y, width, dead) {
  const right = dead ? `${count(dead)} dead` : step.stores.length ? `▤ ${step.stores.join(", ")}` : "";
  return el(
    "g",
    { class: "step" },
    el("text", { x: 12, y }, step.id),
    el("text", { x: 12 + wide(step.id) + 8, y, class: "note" }, step.operator === step.id ? "" : step.operator),
    el("text", { x: width - 12, y, class: dead ? "dead" : "note right" }, right),
  );
}

/** What each subtopology does, of its tasks and their lag. */
export function liveParts(tasks, lag, rates, now) {
  const parts = new Map();
  const of = (id) => {
    if (!parts.has(id)) parts.set(id, { rate: 0, lag: 0, behind: 0, status: "ok", dead: new Map() });
    return parts.get(id);
  };
  const worse = (part, status) => {
    if (WORST.indexOf(status) < WORST.indexOf(part.status)) part.status = status;
  };
  for (const task of tasks) {
    const part = of(task.id.replace(/_\d+$/, ""));
    part.rate += rates.of(`task ${task.id}`, task.outcomes.in, now);
    if (task.state !== "running") worse(part, task.state === "restoring" ? "restoring" : "stopped");
    for (const { step, count } of task.dead) part.dead.set(step, (part.dead.get(step) ?? 0) + count);
  }
  for (const report of lag) {
    const part = of(report.task.replace(/_\d+$/, ""));
    part.lag += report.recordsBehind;
    part.behind = Math.max(part.behind, report.secondsBehind * 1000);
    worse(part, report.status);
  }
  return parts;
}
