// Numbers, ages and times for people; "–" where there is nothing to say.

export const NOTHING = "–";

export function count(number) {
  if (number === null || number === undefined) return NOTHING;
  return Number(number).toLocaleString("en-US").replaceAll(",", "\u202f");
}

export function rate(number) {
  if (number === null || number === undefined) return NOTHING;
  if (number === 0) return "0";
  return number >= 100 ? count(Math.round(number)) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

export function seconds(number) {
  if (number === null || number === undefined) return NOTHING;
  if (number < 0.0005) return "0 ms";
  if (number < 1) return `${number < 0.01 ? (number * 1000).toFixed(1) : Math.round(number * 1000)} ms`;
  if (number < 10) return `${number.toFixed(1)} s`;
  if (number < 120) return `${Math.round(number)} s`;
  if (number < 7200) return `${Math.round(number / 60)} min`;
  if (number < 172800) return `${Math.round(number / 3600)} h`;
  return `${Math.round(number / 86400)} d`;
}

export function bytes(number) {
  if (number === null || number === undefined) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${number >= 100 || unit === 0 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}

export function moment(at) {
  if (at === null || at === undefined) return null;
  const date = typeof at === "number" ? new Date(at * 1000) : new Date(at);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (number) => String(number).padStart(2, "0");

export function clock(at) {
  const date = moment(at);
  return date ? `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}` : NOTHING;
}

export function day(at) {
  const date = moment(at);
  if (!date) return NOTHING;
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock(at) : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(at).slice(0, 5)}`;
}

export function ago(at, now = Date.now()) {
  const date = moment(at);
  if (!date) return NOTHING;
  const passed = (now - date.getTime()) / 1000;
  if (Math.abs(passed) < 1) return "now";
  const said = Math.abs(passed) < 10 ? `${Math.round(Math.abs(passed))} s` : seconds(Math.abs(passed));
  return passed < 0 ? `in ${said}` : `${said} ago`;
}

export function share(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : NOTHING;
}

export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
