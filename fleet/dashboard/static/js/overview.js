// The first screen: is work waiting, since when, why, what did we change, what do I press?

import { h } from "./dom.js";
import { spark } from "./charts.js";
import { ago, bytes, count, plural, rate, seconds } from "./format.js";
import { dot, empty, link, loaded, panel, part, table, time } from "./parts.js";
import { counted, isPaused } from "./queues.js";

export function overview(context) {
  const { status, alerts } = context.live || {};
  if (!status) return [];
  return [h("h1", { class: "hidden" }, "Overview"), health(status, alerts), h("div", { class: "columns", key: "columns" }, queuePanel(context, status), groupPanel(context, status)),
    drift(status), errorsPanel(context, status), changesPanel(context)];
}

function health(status, alerts) {
  const rejected = status.config.rejected;
  const firing = alerts?.firing || [];
  const good = !status.reasons.length && !firing.length;
  return panel("Health", { extra: dot({ healthy: "good", stopping: "warn" }[status.state] || "bad", status.state) },
    good ? h("p", { class: "fine" }, `All as ${status.file.split("/").at(-1)} says; up ${seconds(status.supervisor.uptime_seconds)}.`) : null,
    status.reasons.length ? h("ul", { class: "reasons" }, status.reasons.map((reason) => h("li", { key: reason }, subject(status, reason)))) : null,
    rejected ? (rejected.diagnostics || []).slice(0, 5).map((each) => h("p", { class: "reason" }, h("code", null, `${each.code || ""} ${each.line ? `line ${each.line}` : ""}`), ` ${each.message}`, each.help ? h("span", { class: "dim" }, ` — ${each.help}`) : null)) : null,
    firing.length ? h("ul", { class: "reasons" }, firing.map((each) => h("li", { key: each.alert }, h("b", null, each.summary), " ", h("span", { class: "dim" }, `since ${ago(each.since)}`), h("p", { class: "remedy" }, each.remedy)))) : null);
}

// A reason names its group or worker first: that leads there.
function subject(status, reason) {
  const [name, rest] = [reason.split(":")[0], reason.slice(reason.indexOf(":"))];
  if (status.groups.some((each) => each.name === name)) return [link(`groups/${part(name)}`, name), rest];
  if (/^[\w-]+\/\d+$/.test(name)) return [link(`workers/${name}`, name), rest];
  return reason;
}

function queuePanel(context, status) {
  return panel("Queues", { extra: link("queues", "all") }, table("Queues", [
    { name: "Queue", of: (row) => [link(`queues/${part(row.name)}`, row.name), isPaused(status, row.name) ? h("small", { class: "tag warn" }, "paused") : null] },
    { name: "Waiting", n: true, of: (row) => count(row.ready) },
    { name: "Oldest", n: true, of: (row) => seconds(row.oldest_seconds) },
    { name: "Out/s", n: true, of: (row) => rate(counted(context, row.name)?.per_second ?? 0) },
    { name: "Dead", n: true, of: (row) => (row.dead ? link(`failed?queue=${part(row.name)}`, count(row.dead)) : count(row.dead)) },
    { name: "Waiting, 1 h", at: "w2", of: (row) => hour(context, row.name) },
  ], status.queues, { key: (row) => row.name, lead: true, nothing: empty("No queue is declared: ", h("code", null, "[queues.NAME]"), " in fleet.toml.") }));
}

function hour(context, name) {
  const entry = context.data(`history?kind=queue&name=${part(name)}`, 60);
  return spark((entry.value?.points || []).map((point) => point.ready), `waiting in ${name} in the last hour`);
}

function groupPanel(context, status) {
  return panel("Groups", { extra: link("groups", "all") }, table("Groups", [
    { name: "Group", of: (row) => [link(`groups/${part(row.name)}`, row.name), row.paused ? h("small", { class: "tag warn" }, "paused") : null] },
    { name: "Ready", n: true, of: (row) => h("span", { class: row.replicas.ready < row.replicas.desired ? "bad" : null }, `${row.replicas.ready}/${row.replicas.desired}`) },
    { name: "Busy", n: true, of: (row) => busy(row) },
    { name: "Failed/min", n: true, at: "w1", of: (row) => failures(context, row.name) },
    { name: "Memory", n: true, at: "w1", of: (row) => bytes(row.workers.reduce((sum, each) => sum + (each.rss_bytes || 0), 0)) },
    { name: "Why", at: "w3", wide: true, of: (row) => row.scaling?.reason || (row.overrides[0] ? override(row.overrides[0]) : "as the file says") },
  ], status.groups, { key: (row) => row.name, lead: true, nothing: empty("No group works: ", h("code", null, "[workers.NAME]"), " in fleet.toml.") }));
}

export function busy(group) {
  const slots = group.workers.reduce((sum, each) => sum + (each.concurrency || 0), 0);
  return `${count(group.workers.reduce((sum, each) => sum + each.in_flight, 0))} of ${slots}`;
}

export function failures(context, name) {
  const found = (context.live?.statistics?.groups || []).find((each) => each.group === name);
  if (!found) return "0";
  const minutes = context.live.statistics.window_seconds / 60;
  const failed = found.window.outcomes.failed + found.window.outcomes.lost;
  return failed ? (failed / minutes).toFixed(1) : "0";
}

export const override = (each) => `${each.verb}${each.replicas !== null && each.replicas !== undefined ? ` to ${each.replicas}` : ""} by ${each.actor}${each.reason ? `: ${each.reason}` : ""}${each.until ? `, until ${ago(each.until)}` : ""}`;

function drift(status) {
  const rows = status.groups.flatMap((group) => group.overrides.map((each) => ({ group: group.name, ...each })));
  if (!rows.length) return null;
  return panel("Not as the file says", { note: plural(rows.length, "override") }, h("ul", { class: "plain" }, rows.map((each) => h("li", { key: `${each.group} ${each.verb} ${each.since}` }, link(`groups/${part(each.group)}`, each.group), ` ${override(each)} · ${ago(each.since)}`))));
}

function errorsPanel(context, status) {
  const since = Date.parse(status.config.loaded_at) / 1000 || 0;
  const entry = context.data(`errors?since=${Math.floor(since)}`, 5);
  return panel("New errors since the file was loaded", { note: ago(status.config.loaded_at), extra: link("failed", "Failed") }, loaded(entry, ({ errors }) => errorTable(errors.slice(0, 6), "No error that was not there before.")));
}

export function errorTable(errors, nothing) {
  return table("Errors", [
    { name: "Error", of: (row) => h("b", null, row.type) },
    { name: "Where", at: "w1", wide: true, of: (row) => h("code", null, row.place) },
    { name: "Task", of: (row) => (row.example ? link(`tasks/${part(`${row.example.queue} ${row.example.task}`)}`, row.example.task) : "–") },
    { name: "Times", n: true, of: (row) => count(row.times) },
    { name: "Last", n: true, of: (row) => time(row.last_at) },
    { name: "One", at: "w2", of: (row) => (row.example ? link(`messages/${part(row.example.id)}`, row.example.id.slice(0, 8)) : "–") },
  ], errors, { key: (row) => `${row.type} ${row.place} ${row.example?.task}`, lead: true, nothing: empty(nothing) });
}

function changesPanel(context) {
  const entry = context.data("history/events?limit=60", 5);
  return panel("Last changes by people", { extra: link("events", "Events") }, loaded(entry, ({ events }) => table("Changes", [
    { name: "When", of: (row) => time(row.at) },
    { name: "Who", of: (row) => row.audit.actor },
    { name: "What", wide: true, of: (row) => row.message.replace(`${row.audit.actor}: `, "") },
  ], events.filter((each) => each.audit).slice(0, 5), { key: (row) => row.sequence, nothing: empty("Nobody has told the fleet anything lately; edits of the file are under Events.") })));
}
