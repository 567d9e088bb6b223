// What is still to come: delayed messages, and what is sent by the clock.

import { query } from "./api.js";
import { h } from "./dom.js";
import { count, day, plural, seconds } from "./format.js";
import { ask, button, dot, empty, link, loaded, panel, part, table, time } from "./parts.js";

export function delayed(context, at) {
  const queue = at.search.get("queue");
  const entry = context.data(`delayed?${query({ queue, limit: 200 })}`, 5);
  const cancel = async (row) => {
    if (await ask({ title: "Cancel this message?", text: `${row.task}, due ${day(row.due_at)}, is deleted and will not run.`, yes: "Cancel the message", tone: "danger" })) context.act("delayed/cancel", { id: row.id, queue: row.queue }, "delayed");
  };
  return [h("h1", null, "Delayed"), panel("Not due yet", { note: queue ? `queue ${queue}` : "sent with a delay, or waiting for a retry", extra: queue ? button("All queues", () => context.go({ queue: null }), { tone: "quiet" }) : null }, loaded(entry, (said) => [
    said.said ? empty(`${said.said}. `, "RabbitMQ keeps them where nobody can look; their number is under Queues.") : table("Delayed messages", [
      { name: "Due", of: (row) => time(row.due_at) }, { name: "At", at: "w1", of: (row) => day(row.due_at) }, { name: "Task", wide: true, of: (row) => row.task }, { name: "Queue", at: "w1", of: (row) => link(`queues/${part(row.queue)}`, row.queue) },
      { name: "Retry", n: true, at: "w1", of: (row) => row.headers?.retries || "–" }, { name: "Id", of: (row) => link(`messages/${part(row.id)}`, row.id.slice(0, 8)) }, { name: "", of: (row) => button("Cancel …", () => cancel(row), { disabled: !context.mayAct, tone: "small" }) },
    ], said.messages, { key: (row) => row.id, lead: true, nothing: empty("Nothing waits for its time. ", h("code", null, "fleet send TASK --delay 10s"), " sends such a message.") }),
    said.total > said.messages.length ? h("p", { class: "dim" }, `${plural(said.total, "message")} in all; the next ${count(said.messages.length)} are shown.`) : null]))];
}

// The next day, an hour a character, with a bar where it runs.
function timeline(said) {
  const hours = new Set(said?.next_hours);
  return h("code", { title: (said?.next || []).map(day).join(", ") || "none" }, Array.from({ length: 24 }, (_, hour) => (hours.has(hour) ? "|" : "·")).join(""));
}

export function schedules(context) {
  const coming = context.data("schedules", 10).value, next = new Map((coming?.schedules || []).map((each) => [each.name, each]));
  const status = context.live?.status, rows = status?.schedules || [], can = { disabled: !context.mayAct, tone: "small" };
  const act = (verb, row) => context.act(`schedules/${verb}`, { name: row.name });
  const run = async (row) => { if (await ask({ title: `Send ${row.task} now?`, text: "Besides its times, which stay as they are.", yes: "Send it" })) act("run", row); };
  const pause = async (row) => {
    const said = await ask({ title: `Pause ${row.name}?`, text: "Its times pass without a message, until somebody resumes it.", yes: "Pause", fields: [{ name: "reason", label: "Reason" }] });
    if (said) context.act("schedules/pause", { name: row.name, reason: said.reason || null });
  };
  const last = (row) => (row.last ? [dot({ succeeded: "good", running: "warn" }[row.last.outcome] || "bad", row.last.outcome), " ", time(row.last.sent_at), row.last.seconds !== null ? `, took ${seconds(row.last.seconds)}` : ""] : "never");
  return [h("h1", null, "Schedules"), panel("Sent by the clock", { note: status?.scheduler ? (status.scheduler.leads ? "by this host's scheduler" : "by another host's scheduler") : null }, table("Schedules", [
    { name: "Schedule", of: (row) => row.name }, { name: "Task", at: "w1", of: (row) => row.task }, { name: "When", of: (row) => h("code", null, row.when) }, { name: "Zone", at: "w3", of: (row) => row.timezone },
    { name: "Next", of: (row) => (row.paused ? dot("warn", `paused by ${row.paused.by}`) : row.enabled ? time(row.next_at) : "disabled") }, { name: "Last", at: "w1", of: last }, { name: "Late", n: true, at: "w2", of: (row) => seconds(row.last?.late_seconds) },
    { name: "Next 24 h", at: "w3", of: (row) => (coming ? timeline(next.get(row.name)) : "–") }, { name: "Skipped", n: true, at: "w2", of: (row) => count(row.skipped) },
    { name: "", of: (row) => [button("Run …", () => run(row), can), " ", row.paused ? button("Resume", () => act("resume", row), can) : button("Pause …", () => pause(row), can)] },
  ], rows, { key: (row) => row.name, nothing: empty("Nothing is sent by the clock: ", h("code", null, "[[schedules]]"), " in fleet.toml.") }))];
}
