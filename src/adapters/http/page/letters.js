// Dead letters: how many for which reason, and each with its value and what to do about it.

import { get } from "./api.js";
import { count, el, show, table, time } from "./format.js";

const LIMIT = 50;
let open = null;

export async function refresh(page, filter) {
  const { deadLetters, groups, more } = await get("dead-letters", { ...filter, limit: LIMIT, group: "reason" });
  const most = Math.max(1, ...groups.map((it) => it.count));
  const bar = (it) =>
    el(
      "button",
      { type: "button", class: "group", onclick: () => page.filter({ reason: it.by.reason }) },
      el("span", { class: "reason" }, it.by.reason),
      el("span", { class: "bar-of", style: `width: ${Math.max(2, (it.count / most) * 240)}px` }),
      count(it.count),
    );
  show(page.groups, groups.map(bar));
  const rows = deadLetters.flatMap((it) => [row(it, page, filter), it.id === open && details(it)].filter(Boolean));
  const none = Object.values(filter).some(Boolean) ? "None that fit." : "None. Each record so far could be processed.";
  show(page.table, table(["When", "From", "Reason", "Step", "Key", "What"], rows, none));
  page.note.value = more ? `the latest ${LIMIT}; more fit` : "";
}

function row(letter, page, filter) {
  const toggle = () => {
    open = open === letter.id ? null : letter.id;
    refresh(page, filter);
  };
  const { topic, partition, offset } = letter.origin ?? letter;
  return el(
    "tr",
    { class: `choice${letter.done ? " done" : ""}`, onclick: toggle },
    el("td", {}, el("button", { type: "button", class: "plain", "aria-expanded": String(letter.id === open) }, time(letter.timestamp))),
    el("td", {}, `${topic}[${partition}]@${offset}`),
    el("td", { class: "reason" }, letter.reason, letter.done && ` · ${letter.done.action}`),
    el("td", {}, `${letter.topology} · ${letter.step}`),
    el("td", {}, letter.key ?? "–"),
    el("td", {}, letter.message),
  );
}

function details(letter) {
  const done = letter.done && el("p", {}, `${letter.done.action} ${time(letter.done.at)} by ${letter.done.by}: ${letter.done.reason}`);
  const command = `goyt dlq redrive ${letter.id} --reason "…"`;
  return el(
    "tr",
    {},
    el(
      "td",
      { colspan: 6 },
      letter.path && el("p", {}, "At ", el("code", {}, letter.path)),
      el("pre", {}, pretty(letter.value)),
      done || el("p", {}, "When its cause is mended: ", el("code", {}, command)),
    ),
  );
}

function pretty(value) {
  if (value === null) return "no value";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
