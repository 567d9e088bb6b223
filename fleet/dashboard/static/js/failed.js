// What failed for good: groups of errors, dead letters by a filter, and what is done with them in bulk.

import { get, post, query } from "./api.js";
import { h } from "./dom.js";
import { count, plural, seconds } from "./format.js";
import { ask, button, dot, empty, link, loaded, panel, part, table, tell, time } from "./parts.js";
import { errorTable } from "./overview.js";

const PAGE = 50, FIELDS = ["queue", "task", "error", "text", "older_seconds"];
const marked = new Set();

export const filterOf = (search) => Object.fromEntries(FIELDS.filter((name) => search.get(name)).map((name) => [name, search.get(name)]));

export function failed(context, at) {
  const filter = filterOf(at.search), offset = Number(at.search.get("offset")) || 0;
  const entry = context.data(`dead?${query({ ...filter, offset, limit: PAGE })}`, 5);
  const errors = context.data("errors", 5);
  return [
    h("h1", null, "Failed"), jobs(context),
    panel("Dead letters", { note: "messages that failed for good", extra: actions(context, filter, entry.value) }, chooser(context, filter),
      loaded(entry, (found) => [examined(found, filter), groupsOf(context, found), letters(context, found, offset)])),
    panel("Errors by kind", { note: "as workers count them, retried ones too" }, loaded(errors, (said) => errorTable(said.errors, "No task has failed."))),
  ];
}

function chooser(context, filter) {
  const change = (event) => context.go({ [event.target.name]: event.target.value.trim(), offset: null });
  const input = (name, label, type = "text") => h("label", { key: `${name} ${filter[name] ?? ""}` }, label, h("input", { name, type, initial: { value: filter[name] ?? "" }, onchange: change, autocomplete: "off", spellcheck: "false", min: 0 }));
  return h("form", { class: "filter", role: "search", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() },
    input("queue", "Queue"), input("task", "Task"), input("error", "Error"), input("text", "Text in id, task, reason"), input("older_seconds", "Older than, s", "number"),
    Object.keys(filter).length ? button("Clear", () => context.go({ ...Object.fromEntries(FIELDS.map((name) => [name, null])), offset: null }), { tone: "quiet" }) : null);
}

function examined(found, filter) {
  const all = found.examined >= found.total;
  const those = Object.keys(filter).length ? `${plural(found.matching, "message")} match` : plural(found.matching, "message");
  return h("p", { class: "dim", role: "status" }, all ? `${those} of ${count(found.total)}.` : `${those} among the ${count(found.examined)} oldest of ${count(found.total)}; Retry and Delete count all of them first.`);
}

function groupsOf(context, found) {
  if (found.groups.length < 2) return null;
  return h("details", { class: "groups", initial: { open: true } }, h("summary", null, "By error"), table("Groups of dead letters", [
    { name: "Error", of: (row) => button(row.error, () => context.go({ queue: row.queue, task: row.task, error: row.error, offset: null }), { tone: "link" }) },
    { name: "Task", of: (row) => row.task }, { name: "Queue", at: "w1", of: (row) => row.queue || "–" }, { name: "Times", n: true, of: (row) => count(row.times) },
  ], found.groups.slice(0, 12), { key: (row) => `${row.queue} ${row.task} ${row.error}`, lead: true }));
}

function letters(context, found, offset) {
  const mark = (id) => (event) => { if (event.target.checked) marked.add(id); else marked.delete(id); context.render(); };
  const argued = (row) => (row.args === null && row.kwargs === null ? h("span", { class: "dim" }, "not shown") : h("code", { class: "args" }, short(row)));
  return [table("Dead letters", [
    context.isOperator ? { name: "", of: (row) => h("input", { type: "checkbox", checked: marked.has(row.id), "aria-label": `mark ${row.id}`, onchange: mark(row.id) }) } : null,
    { name: "Id", of: (row) => link(`messages/${part(row.id)}`, row.id.slice(0, 8) || "none") },
    { name: "Task", of: (row) => row.task || "–" },
    { name: "Queue", at: "w2", of: (row) => row.queue || "–" },
    { name: "Reason", wide: true, of: (row) => row.reason },
    { name: "Arguments", at: "w3", of: argued },
    { name: "Died", n: true, of: (row) => time(row.at) },
    { name: "On", at: "w2", of: (row) => row.worker || "–" },
  ], found.messages, { key: (row) => row.id, lead: true, nothing: empty(found.total ? "None of them is like that." : "No message has failed for good. When one does, it is kept here with its reason, to be retried.") }),
  h("p", { class: "pager" }, offset ? button("Newer page", () => context.go({ offset: Math.max(0, offset - PAGE) || null })) : null, found.matching > offset + PAGE ? button("Next page", () => context.go({ offset: offset + PAGE })) : null)];
}

const short = (row) => [row.args, row.kwargs].filter((each) => each && each !== "[]" && each !== "{}").join(" ").replace(/\s+/g, " ").slice(0, 120);

function actions(context, filter, found) {
  const can = { disabled: !context.mayAct || !found || !found.total, title: context.isOperator ? null : "needs the role operator: log in" };
  if (marked.size) return h("span", { class: "actions" }, h("span", { class: "dim" }, `${marked.size} marked`),
    button("Retry them", () => act(context, "retry", { ids: [...marked] }, marked.size), can), button("Delete them …", () => act(context, "delete", { ids: [...marked] }, marked.size), { ...can, tone: "danger" }), button("Unmark", () => { marked.clear(); context.render(); }, { tone: "quiet" }));
  return h("span", { class: "actions" }, button("Retry …", () => act(context, "retry", filter), can), button("Delete …", () => act(context, "delete", filter), { ...can, tone: "danger" }));
}

// First how many there are, by the same filter; then the question; then the job.
async function act(context, verb, filter, known) {
  const words = describe(filter);
  let most = known ?? null;
  try {
    if (most === null) most = (await finished(await post("dead/jobs", { verb: "count", filter }))).done;
  } catch (problem) { return tell(problem.message, "bad"); }
  if (!most) return tell("no message is like that", "bad");
  const fields = verb === "retry"
    ? [{ name: "rate", label: "At most so many a second", type: "number", hint: "empty: as fast as it goes", must: (value) => value === "" || Number(value) > 0 }, { name: "canary", label: "First so many, then wait for you", type: "number", value: most > 20 ? 1 : "", hint: "empty: all at once", must: (value) => value === "" || Number(value) >= 0 }]
    : [{ name: "typed", label: `Type ${most} to delete them`, must: (value) => value.trim().replace(/[\s,]/g, "") === String(most) }];
  const said = await ask({ title: `${verb === "retry" ? "Retry" : "Delete"} ${plural(most, "message")}?`, yes: verb === "retry" ? "Retry" : "Delete for ever", tone: verb === "retry" ? "primary" : "danger",
    text: [words, verb === "retry" ? "Each is on its queue, confirmed, before it leaves the dead letters: none is lost." : "They are gone for ever."], fields });
  if (!said) return;
  marked.clear();
  await start(context, { verb, filter, most, rate: said.rate ? Number(said.rate) : null, canary: said.canary ? Number(said.canary) : 0 });
}

export async function start(context, order) {
  try {
    const job = await post("dead/jobs", order);
    if (job.error) tell(job.error, "bad");
    else if (job.ended_at) tell(`${order.verb === "delete" ? "deleted" : "sent back"} ${plural(job.done, "message")}`, "good");
    return job;
  } catch (problem) { tell(problem.message, "bad"); } finally { refresh(context); }
  return null;
}

function refresh(context) {
  import("./api.js").then(({ forget }) => { forget("dead"); forget("messages"); context.render(); });
}

async function finished(job) {
  while (job.ended_at === null) {
    await new Promise((done) => setTimeout(done, 500));
    const all = await get("dead/jobs/all");
    job = all.jobs.find((each) => each.id === job.id) || { ...job, ended_at: 1 };
  }
  if (job.error) throw new Error(job.error);
  return job;
}

function describe(filter) {
  const words = { queue: "of queue", task: "task", error: "with error", text: "with text", older_seconds: "older than" };
  const said = Object.entries(filter).filter(([name]) => name in words).map(([name, value]) => `${words[name]} ${name === "older_seconds" ? seconds(Number(value)) : value}`);
  return filter.ids ? "Those you have marked." : said.length ? `Those ${said.join(", ")}.` : "All dead letters.";
}

function jobs(context) {
  const those = (context.live?.jobs || []).filter((each) => each.verb !== "count" || each.ended_at === null);
  if (!those.length) return null;
  const done = { retry: "sent back", edit: "changed and sent back", delete: "deleted", count: "match" };
  return panel("At work", { id: "jobs" }, those.toReversed().map((job) => {
    const whole = job.most ?? job.total, running = job.ended_at === null;
    return h("div", { class: "job", key: job.id }, h("p", null, dot({ done: "good", failed: "bad" }[job.state] || "warn", job.state), ` ${plural(job.done, "message")} ${done[job.verb]}${whole ? ` of ${count(whole)}` : ""}, ${count(job.examined)} examined`, job.rate ? `, ${job.rate} a second` : "", ` · ${job.actor} · `, time(job.began_at)),
      h("progress", { max: whole || 1, value: running ? (job.verb === "count" ? job.examined : job.done) : whole || 1, "aria-label": "how far it is" }),
      job.error ? h("p", { class: "problem" }, job.error) : null, job.stay ? h("p", { class: "stale" }, `${plural(job.stay, "message")} stay: their queue is not declared any more.`) : null,
      job.state === "waiting" ? h("p", null, "The first are on their way: ", job.ids.slice(0, 3).map((id) => [link(`messages/${part(id)}`, id.slice(0, 8)), " "]), "Look what becomes of them, then ", button("Go on", () => context.act(`dead/jobs/${job.id}/go`, {}, "dead"), { tone: "primary", disabled: !context.mayAct })) : null,
      running ? button("Stop", () => context.act(`dead/jobs/${job.id}/stop`, {}, "dead"), { disabled: !context.mayAct }) : null);
  }));
}
