// What the page asks of the instance that served it.

const WITHIN = 10_000; // milliseconds

/** The answer as JSON; an error carries what the server says about it. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  const url = `/api/v1/${path}${query.size ? `?${query}` : ""}`;
  const answer = await fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(WITHIN) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail ?? body.title ?? `${url}: ${answer.status}`);
  return body;
}

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
