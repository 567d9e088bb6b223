// Queues: what waits, since when, how fast it goes; and one of them with its past.

import { h } from "./dom.js";
import { lines } from "./charts.js";
import { count, rate, seconds } from "./format.js";
import { ask, button, dot, empty, link, loaded, panel, part, table, tiles } from "./parts.js";
import { taskTable } from "./tasks.js";

export const counted = (context, name) => (context.live?.statistics?.queues || []).find((each) => each.queue === name)?.window;
const takers = (status, name) => status.groups.filter((each) => each.queues.includes(name));
export const isPaused = (status, name) => { const those = takers(status, name); return those.length > 0 && those.every((each) => each.paused || (each.paused_queues || []).includes(name)); };

export function queues(context) {
  const status = context.live?.status;
  if (!status) return [];
  return [h("h1", null, "Queues"), panel("Queues", { id: "queues" }, table("Queues", [
    { name: "Queue", of: (row) => link(`queues/${part(row.name)}`, row.name) },
    { name: "Waiting", n: true, of: (row) => count(row.ready) },
    { name: "Oldest", n: true, of: (row) => seconds(row.oldest_seconds) },
    { name: "At work", n: true, at: "w1", of: (row) => count(row.unacked) },
    { name: "Delayed", n: true, at: "w1", of: (row) => (row.delayed ? link(`delayed?queue=${part(row.name)}`, count(row.delayed)) : count(row.delayed)) },
    { name: "Out/s", n: true, of: (row) => rate(counted(context, row.name)?.per_second ?? 0) },
    { name: "Wait p95", n: true, at: "w2", of: (row) => seconds(counted(context, row.name)?.wait.p95) },
    { name: "Dead", n: true, of: (row) => (row.dead ? link(`failed?queue=${part(row.name)}`, count(row.dead)) : count(row.dead)) },
    { name: "Taken by", at: "w1", of: (row) => takers(status, row.name).map((each) => [link(`groups/${part(each.name)}`, each.name), " "]) },
    { name: "", of: (row) => (isPaused(status, row.name) ? dot("warn", "paused") : takers(status, row.name).length ? null : dot("bad", "nobody takes from it")) },
  ], status.queues, { key: (row) => row.name, lead: true, nothing: empty("No queue is declared: ", h("code", null, "[queues.NAME]"), " in fleet.toml.") }))];
}

export const RANGES = { "1h": 3600, "24h": 86400, "14d": 14 * 86400, "180d": 180 * 86400 };

export function range(context, at) {
  const chosen = at.search.get("range") in RANGES ? at.search.get("range") : "1h";
  const chooser = h("span", { class: "choice", role: "group", "aria-label": "Time shown" }, Object.keys(RANGES).map((each) => h("button", { key: each, type: "button", "aria-pressed": String(each === chosen), onclick: () => context.go({ range: each === "1h" ? null : each }) }, each)));
  const to = Math.ceil(Date.now() / 60000) * 60;
  return { chooser, from: to - RANGES[chosen], to };
}

export function queue(context, at) {
  const status = context.live?.status;
  if (!status) return [];
  const row = status.queues.find((each) => each.name === at.name);
  if (!row) return [h("h1", null, at.name), empty("fleet.toml declares no such queue. ", link("queues", "All queues"))];
  const window = counted(context, row.name), paused = isPaused(status, row.name), { chooser, from, to } = range(context, at);
  const entry = context.data(`history?kind=queue&name=${part(row.name)}&from=${from}&to=${to}`, 60);
  const chart = (title, key, unit) => loaded(entry, ({ points }) => lines({ title, times: points.map((point) => point.at), series: [{ name: title, values: points.map((point) => point[key]) }], unit, from, to }));
  return [
    h("div", { class: "title", key: "title" }, h("h1", null, row.name), paused ? dot("warn", "paused") : null,
      paused ? button("Resume", () => context.act("commands/resume", { queue: row.name }), { disabled: !context.mayAct }) : button("Pause …", () => pause(context, { queue: row.name }, `queue ${row.name}`), { disabled: !context.mayAct })),
    tiles(["Waiting", count(row.ready)], ["Oldest", seconds(row.oldest_seconds)], ["At work", count(row.unacked)], ["Delayed", count(row.delayed)], ["Out a second", rate(window?.per_second ?? 0)],
      ["Wait p50", seconds(window?.wait.p50)], ["p95", seconds(window?.wait.p95)], ["p99", seconds(window?.wait.p99)], ["Dead", row.dead ? link(`failed?queue=${part(row.name)}`, count(row.dead)) : count(row.dead), row.dead ? "bad" : null]),
    panel("Past", { extra: chooser }, h("div", { class: "charts" }, chart("Waiting", "ready", count), chart("Age of the oldest", "oldest_seconds", seconds), chart("Delayed", "delayed", count), chart("Dead letters", "dead", count))),
    panel("Taken by", { id: "takers" }, table("Groups that take from it", [
      { name: "Group", of: (each) => link(`groups/${part(each.name)}`, each.name) }, { name: "Pool", of: (each) => `${each.pool} × ${each.concurrency}` }, { name: "Ready", n: true, of: (each) => `${each.replicas.ready}/${each.replicas.desired}` },
    ], takers(status, row.name), { key: (each) => each.name, lead: true, nothing: empty("Nobody takes from it: name it in ", h("code", null, "[workers.GROUP] queues"), ".") })),
    panel("Tasks, last minutes", { id: "tasks" }, taskTable(context, (each) => each.queue === row.name)),
  ];
}

export async function pause(context, target, words) {
  const said = await ask({ title: `Pause ${words}?`, text: "Nothing more is taken from it; what is at work is finished. Messages stay where they are.", yes: "Pause", fields: [{ name: "minutes", label: "For how many minutes", hint: "empty: until somebody resumes it", must: (value) => value === "" || Number(value) > 0 }, { name: "reason", label: "Reason", hint: "for the others who look at this" }] });
  if (said) context.act("commands/pause", { ...target, reason: said.reason || null, for_seconds: said.minutes ? Number(said.minutes) * 60 : null });
}
