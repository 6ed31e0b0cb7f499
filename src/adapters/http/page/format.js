// Numbers and times as people read them, and elements made without markup in strings.

const COUNT = new Intl.NumberFormat("en");

export const count = (n) => COUNT.format(n);

/** 1234567 → 1.23 M: for places where width is short. */
export function short(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (size * 10 <= Math.abs(n) || (size <= Math.abs(n) && unit !== "k")) {
      return `${(n / size).toPrecision(3)} ${unit}`;
    }
  }
  return count(Math.round(n * 10) / 10);
}

export const rate = (perSecond) => `${perSecond < 10 && perSecond % 1 ? perSecond.toFixed(1) : short(Math.round(perSecond))}/s`;

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(n, 1)) / 10));
  const value = n / 1024 ** step;
  return `${step && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

export function span(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const time = (milliseconds) => new Date(milliseconds).toISOString().replace("T", " ").replace(/\.\d+Z/, "");

const SVG = "http://www.w3.org/2000/svg";
const TAGS_OF_SVG = new Set(["svg", "g", "path", "rect", "text", "title", "defs", "marker", "line"]);

/** An element: `el("td", { class: "number" }, "12")`. Children are text or elements; text is never read as markup. */
export function el(tag, attributes = {}, ...children) {
  const element = TAGS_OF_SVG.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((it) => it !== undefined && it !== null && it !== false));
  return element;
}

/** Puts content in place of what was there, and keeps where a person has scrolled to. */
export function show(place, ...content) {
  const { scrollLeft, scrollTop } = place;
  place.replaceChildren(...content.flat().filter(Boolean));
  Object.assign(place, { scrollLeft, scrollTop });
}

export function table(head, rows, empty) {
  if (!rows.length) return el("p", { class: "empty" }, empty);
  const cell = (it) => (it instanceof Element && it.tagName === "TD" ? it : el("td", {}, it ?? "–"));
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, head.map((it) => el("th", { scope: "col" }, it)))),
    el("tbody", {}, rows.map((row) => (row instanceof Element ? row : el("tr", {}, row.map(cell))))),
  );
}
