// The dashboard's API: questions, orders, and the state of the fleet that comes by itself once a second.
// Addresses are relative: behind a proxy the page may live below any path.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(path, options) {
  let response;
  try {
    response = await fetch(`api/${path}`, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refused(0, "the dashboard does not answer");
  }
  let value = null;
  try {
    value = await response.json();
  } catch {
    throw new Refused(response.status, `the dashboard answered ${response.status}`);
  }
  if (!response.ok) throw new Refused(response.status, value.error || `the dashboard answered ${response.status}`);
  return value;
}

export const get = (path) => answer(path);
export const post = (path, value = {}) => answer(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();

// What pages read, by path: the last value stays while the next one comes.
const kept = new Map();
let changed = () => {};
export const onChange = (call) => { changed = call; };

export function data(path, everySeconds = 5) {
  const entry = kept.get(path) || { value: null, error: null, at: 0, busy: false };
  kept.set(path, entry);
  entry.used = Date.now();
  if (!entry.busy && Date.now() - entry.at > everySeconds * 1000 - 50) load(path, entry);
  return entry;
}

async function load(path, entry) {
  entry.busy = true;
  try {
    entry.value = await get(path);
    entry.error = null;
  } catch (problem) {
    entry.error = problem;
  }
  entry.busy = false;
  entry.at = Date.now();
  if (kept.size > 200) for (const [name, each] of kept) if (Date.now() - each.used > 60000) kept.delete(name);
  changed();
}

export function forget(prefix = "") {
  for (const [path, entry] of kept) if (path.startsWith(prefix)) entry.at = 0;
}

// The stream; a hidden tab has none.
export function follow(said, lost) {
  let source = null;
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource("api/live");
    source.onmessage = (event) => said(JSON.parse(event.data));
    source.onerror = () => {
      lost();
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 2000);
      }
    };
    source.addEventListener("ended", () => location.reload());
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}
