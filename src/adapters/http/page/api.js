// What the page asks of the instance that served it.

const WITHIN = 10_000; // milliseconds
const TOKEN = "goyt.token"; // in the session's storage: gone with the tab

/** The answer as JSON; an error carries its status and what the server says about it. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  const url = `/api/v1/${path}${query.size ? `?${query}` : ""}`;
  const token = sessionStorage.getItem(TOKEN);
  const headers = { accept: "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(WITHIN) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? body.title ?? `${url}: ${answer.status}`), { status: answer.status, problem: body });
  return body;
}

/** An instance that other machines can reach shows nothing without its token. */
export const use = (token) => sessionStorage.setItem(TOKEN, token);
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

/** Rates from counters that are asked for again and again. */
export class Rates {
  #before = new Map();

  /** The growth a second of a counter since it was last asked for; 0 the first time, and after a restart. */
  of(name, value, now) {
    const before = this.#before.get(name);
    if (before && now <= before.at) return before.rate;
    const rate = before && before.value <= value ? ((value - before.value) * 1000) / (now - before.at) : 0;
    this.#before.set(name, { value, at: now, rate });
    return rate;
  }
}
