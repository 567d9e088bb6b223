// Groups and their workers: how many there are and why, what runs, where its code is, how the last one ended.

import { get } from "./api.js";
import { h } from "./dom.js";
import { lines } from "./charts.js";
import { ago, bytes, count, rate, seconds } from "./format.js";
import { ask, button, dot, empty, facts, link, loaded, panel, part, table, tell, tiles, time } from "./parts.js";
import { busy, failures, override } from "./overview.js";
import { pause, range } from "./queues.js";
import { logLines } from "./events.js";

const TONES = { ready: "good", starting: "warn", draining: "warn", paused: "warn" };

export function groups(context) {
  const status = context.live?.status;
  if (!status) return [];
  return [h("h1", null, "Groups"), panel("Groups", { id: "groups" }, table("Groups", [
    { name: "Group", of: (row) => link(`groups/${part(row.name)}`, row.name) },
    { name: "Ready", n: true, of: (row) => h("span", { class: row.replicas.ready < row.replicas.desired ? "bad" : null }, `${row.replicas.ready}/${row.replicas.desired}`) },
    { name: "Busy", n: true, of: busy },
    { name: "Pool", at: "w1", of: (row) => `${row.pool} × ${row.concurrency}` },
    { name: "Queues", at: "w1", of: (row) => row.queues.map((each) => [link(`queues/${part(each)}`, each), " "]) },
    { name: "Failed/min", n: true, of: (row) => failures(context, row.name) },
    { name: "Memory", n: true, at: "w1", of: (row) => bytes(row.workers.reduce((sum, each) => sum + (each.rss_bytes || 0), 0)) },
    { name: "Restarts", n: true, at: "w2", of: (row) => count(row.workers.reduce((sum, each) => sum + each.restarts, 0)) },
    { name: "Why so many", at: "w3", wide: true, of: (row) => row.scaling?.reason || (row.overrides[0] ? override(row.overrides[0]) : "as the file says") },
  ], status.groups, { key: (row) => row.name, lead: true }))];
}

export function group(context, at) {
  const status = context.live?.status;
  if (!status) return [];
  const row = status.groups.find((each) => each.name === at.name);
  if (!row) return [h("h1", null, at.name), empty("fleet.toml declares no such group. ", link("groups", "All groups"))];
  const can = { disabled: !context.mayAct }, { chooser, from, to } = range(context, at), held = row.paused || row.overrides.some((each) => each.verb === "drain");
  const entry = context.data(`history?kind=group&name=${part(row.name)}&from=${from}&to=${to}`, 60);
  return [
    h("div", { class: "title", key: "title" }, h("h1", null, row.name), row.paused ? dot("warn", "paused") : null,
      held ? button("Resume", () => context.act("commands/resume", { group: row.name }), can) : button("Pause …", () => pause(context, { group: row.name }, `group ${row.name}`), can),
      button("Scale …", () => scale(context, row), can), row.overrides.some((each) => each.verb === "scale") ? button("As the file says", () => context.act("commands/scale", { group: row.name }), can) : null,
      button("Restart …", () => restart(context, { group: row.name }, `all workers of ${row.name}`), can), button("Drain …", () => drain(context, row.name), { ...can, tone: "danger" })),
    tiles(["Ready", `${row.replicas.ready} of ${row.replicas.desired}`, row.replicas.ready < row.replicas.desired ? "bad" : null], ["Busy", busy(row)], ["Pool", `${row.pool} × ${row.concurrency}`], ["Failed a minute", failures(context, row.name)], ["Memory", bytes(row.workers.reduce((sum, each) => sum + (each.rss_bytes || 0), 0))]),
    panel("Why this many", { id: "why" }, row.scaling ? facts(Object.entries(row.scaling).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "object" && value !== null ? JSON.stringify(value) : value])) : h("p", null, `${row.replicas.desired}: as ${row.overrides.some((each) => each.verb === "scale") ? "somebody said" : "the file says"}.`),
      row.overrides.length ? h("ul", { class: "plain" }, row.overrides.map((each) => h("li", { key: each.since + each.verb }, override(each)))) : null),
    panel("Workers", { id: "workers" }, table("Workers", [
      { name: "Worker", of: (each) => link(`workers/${each.id}`, each.id) },
      { name: "State", of: (each) => dot(TONES[each.state] || "bad", each.state) },
      { name: "At work", n: true, of: (each) => `${count(each.in_flight)}${each.concurrency ? ` of ${each.concurrency}` : ""}` },
      { name: "Longest", n: true, at: "w1", of: (each) => seconds(each.oldest_in_flight_seconds) },
      { name: "Done", n: true, at: "w1", of: (each) => count(each.succeeded) },
      { name: "Failed", n: true, at: "w1", of: (each) => count(each.failed) },
      { name: "Memory", n: true, at: "w2", of: (each) => bytes(each.rss_bytes) },
      { name: "Up", n: true, at: "w2", of: (each) => seconds(each.uptime_seconds) },
      { name: "Pid", n: true, at: "w3", of: (each) => each.pid ?? "–" },
      { name: "Last exit", at: "w3", of: (each) => (each.last_exit ? exit(each.last_exit) : "–") },
    ], row.workers, { key: (each) => `${each.id} ${each.serial}`, lead: true, nothing: empty("It has no workers now.") })),
    runs(context, row.name),
    panel("Past", { extra: chooser }, h("div", { class: "charts" }, loaded(entry, ({ points }) => lines({ title: "Workers", times: points.map((point) => point.at), series: [{ name: "wanted", values: points.map((point) => point.desired) }, { name: "ready", values: points.map((point) => point.ready) }], from, to })),
      loaded(entry, ({ points }) => lines({ title: "Slots at work", times: points.map((point) => point.at), series: [{ name: "busy", values: points.map((point) => point.busy) }, { name: "slots", values: points.map((point) => point.slots) }], from, to })))),
    panel("Log", { id: "log", extra: link(`logs?of=${part(row.name)}`, "more") }, logLines(context, row.name, 15)),
  ];
}

const exit = (last) => `${last.signal ? `signal ${last.signal}` : `code ${last.code}`}, ${ago(last.at)}`;

function runs(context, of) {
  const [name] = of.split("/");
  const entry = context.data(`running?group=${part(name)}`, 2);
  return panel("Runs now", { note: "the oldest first" }, loaded(entry, ({ running, silent }) => [
    silent.length ? h("p", { class: "stale" }, `${silent.join(", ")}: no answer within a second; where its code is can be seen all the same.`) : null,
    table("Running tasks", [
      { name: "Task", of: (row) => row.task }, { name: "Since", n: true, of: (row) => time(row.since) }, { name: "Queue", at: "w1", of: (row) => row.queue },
      { name: "Worker", of: (row) => link(`workers/${row.worker}`, row.worker) }, { name: "Id", at: "w1", of: (row) => link(`messages/${part(row.id)}`, row.id.slice(0, 8)) },
    ], running.filter((row) => of === name || row.worker === of).slice(0, 50), { key: (row) => row.id, lead: true, nothing: empty("Nothing runs just now.") })]));
}

const stacks = new Map();

export function worker(context, at) {
  const status = context.live?.status;
  const one = (status?.groups || []).flatMap((each) => each.workers).find((each) => each.id === at.name);
  if (!status) return [];
  const name = at.name.split("/")[0];
  if (!one) return [h("h1", null, at.name), empty("There is no such worker now. ", link(`groups/${part(name)}`, `Group ${name}`))];
  const stack = stacks.get(at.name);
  const look = async () => {
    try { stacks.set(at.name, { at: Date.now(), ...(await get(`stacks?worker=${part(at.name)}`)) }); } catch (problem) { tell(problem.message, "bad"); }
    context.render();
  };
  return [
    h("div", { class: "title", key: "title" }, h("h1", null, one.id), dot(TONES[one.state] || "bad", one.state), link(`groups/${part(name)}`, `group ${name}`),
      button("Where is its code?", look), button("Restart …", () => restart(context, { group: name, replica: Number(at.name.split("/")[1]) }, one.id), { disabled: !context.mayAct })),
    tiles(["At work", `${count(one.in_flight)}${one.concurrency ? ` of ${one.concurrency}` : ""}`], ["Longest", seconds(one.oldest_in_flight_seconds)], ["Done", count(one.succeeded)], ["Failed", count(one.failed)], ["Retried", count(one.retried)], ["Memory", bytes(one.rss_bytes)], ["Up", seconds(one.uptime_seconds)], ["Restarts", count(one.restarts)]),
    stack ? panel("Where its code is", { note: ago(stack.at / 1000) }, stack.processes.map((process) => h("div", { class: "stack", key: process.pid }, h("h3", null, `${process.role} · pid ${process.pid}`, process.answered ? null : h("small", { class: "tag bad" }, "no answer")),
      [...(process.threads || []), ...(process.green || [])].map((thread, index) => h("details", { key: index, open: Boolean(thread.runs_task) }, h("summary", null, thread.runs_task ? h("b", null, thread.place || thread.name) : `${thread.name || "thread"}: ${thread.place || ""}`), h("pre", null, (thread.frames || []).map((frame) => (typeof frame === "string" ? frame : JSON.stringify(frame))).join("\n"))))))) : null,
    one.warnings.length ? panel("Warnings", {}, h("ul", { class: "reasons" }, one.warnings.map((each) => h("li", { key: each }, each)))) : null,
    runs(context, at.name),
    one.last_exit ? panel("Last exit", {}, facts([["how", exit(one.last_exit)], ["lived", seconds(one.last_exit.uptime_seconds)], ["memory", bytes(one.last_exit.rss_bytes)]]), one.last_exit.log_tail.length ? h("pre", null, one.last_exit.log_tail.join("\n")) : null) : null,
    panel("Log", { id: "log", extra: link(`logs?of=${part(at.name)}`, "more") }, logLines(context, at.name, 30)),
  ];
}

async function scale(context, row) {
  const said = await ask({ title: `Scale ${row.name}`, yes: "Scale", text: `It has ${row.replicas.desired} now. This stands over the file until it is taken back.`, fields: [{ name: "replicas", label: "Workers", type: "number", value: row.replicas.desired, must: (value) => /^\d+$/.test(value) }, { name: "minutes", label: "For how many minutes", hint: "empty: until taken back", must: (value) => value === "" || Number(value) > 0 }, { name: "reason", label: "Reason" }] });
  if (said) context.act("commands/scale", { group: row.name, replicas: Number(said.replicas), reason: said.reason || null, for_seconds: said.minutes ? Number(said.minutes) * 60 : null });
}

async function restart(context, target, words) {
  const said = await ask({ title: `Restart ${words}?`, yes: "Restart", text: "Each is replaced by a new one, which is there first; what is at work is finished.", fields: [{ name: "reason", label: "Reason" }] });
  if (said) context.act("commands/restart", { ...target, reason: said.reason || null });
}

async function drain(context, name) {
  const said = await ask({ title: `Drain ${name}?`, yes: "Drain", tone: "danger", text: "Its workers finish what they have, then there are none, until somebody resumes it.", fields: [{ name: "reason", label: "Reason" }] });
  if (said) context.act("commands/drain", { group: name, reason: said.reason || null });
}
