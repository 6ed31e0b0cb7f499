// The page: asks the instance each second what it does, and draws it.

import { Rates, get, hasToken, use } from "./api.js";
import { count, el, rate, short, show, span } from "./format.js";
import * as graph from "./graph.js";
import * as letters from "./letters.js";
import * as stores from "./stores.js";
import * as tasks from "./tasks.js";

const EVERY = 1000; // milliseconds; letters and stores less often
const LETTERS_EVERY = 5;
const STORES_EVERY = 10;

const id = (name) => document.getElementById(name);
const rates = new Rates();
let drawing = null;
let who = {};

/** The filter of dead letters stands in the address, so that it can be passed on. */
const filterForm = id("letter-filter");
const page = {
  groups: id("letter-groups"),
  table: id("letter-table"),
  note: id("letter-note"),
  filter(change) {
    const filter = { ...currentFilter(), ...change };
    for (const [name, value] of Object.entries(filter)) filterForm.elements[name].value = value;
    const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
    letters.refresh(page, filter).catch(tell);
  },
};

function currentFilter() {
  return Object.fromEntries(["topic", "reason", "key"].map((name) => [name, filterForm.elements[name].value.trim()]));
}

/** Begins the next turn at once. While a token is asked for, nothing else does. */
let wake = () => {};

function takeToken(event) {
  event.preventDefault();
  const { token } = id("token-form").elements;
  use(token.value.trim());
  token.value = "";
  id("token-form").dataset.tried = "yes";
  wake();
}

async function turn(n) {
  if (!drawing || n % STORES_EVERY === 0) {
    const { topologies, ...rest } = await get("topologies");
    who = rest;
    drawing = graph.model(who.application, topologies);
    show(id("who"), `${who.application} · instance ${who.instance} · ${who.version}`);
    document.title = `Goyt · ${who.application}`;
    await stores.offer(id("store-form").elements.store);
  }
  const [{ tasks: own }, { lag }, { topics }] = await Promise.all([get("tasks"), get("lag"), get("topics")]);
  const now = performance.now();
  const written = topics.map((it) => [it.name, { published: it.published.records, rate: rates.of(`topic ${it.name}`, it.published.records, now) }]);
  const live = { parts: graph.liveParts(own, lag, rates, now), topics: new Map(written) };
  graph.draw(id("graph"), drawing, live);
  tasks.draw(id("task-table"), id("task-detail"), own, lag, who.instance);
  totals(own, lag, live);
  if (n % LETTERS_EVERY === 0) await letters.refresh(page, currentFilter());
}

function totals(own, lag, live) {
  const sum = (items, of) => items.reduce((sum, it) => sum + of(it), 0);
  const parts = [...live.parts.values()];
  const dead = sum(own, (it) => it.outcomes.dead);
  const facts = [
    ["Records in", rate(sum(parts, (it) => it.rate)), count(sum(own, (it) => it.outcomes.in))],
    ["Written", rate(sum([...live.topics.values()], (it) => it.rate)), "outputs, internal topics"],
    ["Behind", short(sum(parts, (it) => it.lag)), span(Math.max(0, ...parts.map((it) => it.behind)))],
    ["Duplicates", count(sum(own, (it) => it.outcomes.duplicate)), "had their effect before"],
    ["Dead letters", count(dead), dead ? "see below" : "none"],
  ];
  show(id("totals"), facts.map(([name, value, note]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, note)))));
  const stopped = own.filter((it) => it.state === "stopped").map((it) => `${it.id} stopped`);
  const stuck = lag.filter((it) => ["stopped", "stalled", "blocked"].includes(it.status)).map((it) => `${it.task} ${it.status}`);
  const bad = [...new Set([...stopped, ...stuck])];
  const restoring = own.filter((it) => it.state === "restoring").length;
  const words = bad.length ? `${bad[0]}${1 < bad.length ? ` and ${bad.length - 1} more` : ""}` : restoring ? `${restoring} ${restoring === 1 ? "task" : "tasks"} restoring` : own.length ? `all ${own.length} tasks run` : "no task yet";
  verdict(bad.length ? "stopped" : restoring || !own.length ? "restoring" : "ok", words);
}

function verdict(state, words) {
  const place = id("verdict");
  place.className = `chip ${state}`;
  place.textContent = words;
}

/** Asks for the token in place of everything else, until one is right. */
function askForToken() {
  const form = id("token-form");
  if (!form.hidden && !form.dataset.tried) return;
  id("token-note").value = hasToken() ? "That is not its token." : "";
  delete form.dataset.tried;
  form.hidden = false;
  form.elements.token.focus();
}

/** All is shown: there is no token to ask for. */
function open() {
  id("token-form").hidden = true;
}

function tell(error) {
  if (error.status === 401) {
    askForToken();
    return verdict("blocked", "closed to those without its token");
  }
  verdict("stopped", error.name === "TypeError" ? "the instance does not answer" : error.message);
}

async function run() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (filterForm.elements[name]) filterForm.elements[name].value = value;
  }
  id("token-form").addEventListener("submit", takeToken);
  filterForm.addEventListener("submit", (event) => (event.preventDefault(), page.filter({})));
  const storeForm = id("store-form");
  const look = () => stores.look(id("store-table"), id("store-note"), storeForm.elements.store.value, storeForm.elements.key.value.trim());
  storeForm.addEventListener("submit", (event) => (event.preventDefault(), look()));
  storeForm.elements.store.addEventListener("change", look);
  for (let n = 0; ; n += 1) {
    const begun = performance.now();
    await turn(n).then(open, tell);
    if (n % STORES_EVERY === 0) await look();
    document.body.dataset.turns = n + 1;
    await new Promise((done) => {
      wake = done;
      if (id("token-form").hidden) setTimeout(done, Math.max(100, EVERY - (performance.now() - begun)));
    });
  }
}

run();
