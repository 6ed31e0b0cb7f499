// What the page asks of the instance that served it.

const WITHIN = 10_000; // milliseconds
const TOKEN = "goyt.token"; // in the session's storage
let declined = false;

/** The answer as JSON; an error carries what the server says about it. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  const url = `/api/v1/${path}${query.size ? `?${query}` : ""}`;
  const token = sessionStorage.getItem(TOKEN);
  const headers = { accept: "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(WITHIN) });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401 && askForToken(token)) return get(path, parameters);
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? body.title ?? `${url}: ${answer.status}`), { problem: body });
  return body;
}

/** Whether there is another token to try: an instance that other machines can reach shows nothing without it. */
function askForToken(refused) {
  // Another request may have asked meanwhile.
  if (sessionStorage.getItem(TOKEN) === refused && !declined) {
    const given = window.prompt("The token of this instance (http.token.file):");
    if (given) sessionStorage.setItem(TOKEN, given.trim());
    else declined = true;
  }
  return sessionStorage.getItem(TOKEN) !== refused;
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
