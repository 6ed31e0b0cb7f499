// Stores: their first entries, or the entry of a key, wherever its task is.

import { get } from "./api.js";
import { bytes, el, short, show, table } from "./format.js";

const LIMIT = 50;
const HERE = { redirected: true }; // a browser does not follow to another instance

/** Fills the choice of stores. */
export async function offer(choice) {
  const { stores } = await get("stores");
  const before = choice.value;
  const note = (it) => `${it.name} (${it.kind}, about ${short(it.entries)} entries, ${bytes(it.bytes)})`;
  show(choice, stores.map((it) => el("option", { value: it.name, selected: it.name === before }, note(it))));
  return stores;
}

export async function look(place, note, store, key) {
  if (!store) return show(place, el("p", { class: "empty" }, "The topologies keep no state."));
  note.value = "";
  try {
    const path = `stores/${encodeURIComponent(store)}`;
    const found = key ? await get(`${path}/${keyPath(key)}`, HERE) : await get(path, { limit: LIMIT });
    const entries = key ? [found] : found.entries;
    const fields = [...new Set(entries.flatMap((it) => Object.keys(it.value)))];
    const row = (it) => [it.key.join(" / "), ...fields.map((field) => text(it.value[field])), it.task];
    show(place, table(["Key", ...fields, "Task"], entries.map(row), "Nothing is kept yet."));
    note.value = found.more ? `the first ${LIMIT} of this instance; there are more` : "";
  } catch (error) {
    const { address } = error.problem ?? {};
    const there = address && el("a", { href: `http://${address}/#stores` }, `look at ${address}`);
    show(place, el("p", { class: "empty" }, error.message, there && " – ", there));
  }
}

/** What a person typed, as part of a path: `%` stays, it stands for itself there, too. */
const keyPath = (key) => key.split("/").map((it) => encodeURIComponent(it).replaceAll("%25", "%")).join("/");

function text(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "object") return String(value);
  return "amount" in value ? `${value.amount} ${value.currency}` : JSON.stringify(value);
}
