// One message: where it is, what became of it, its arguments; and, of a dead one, what can be done.

import { post } from "./api.js";
import { h } from "./dom.js";
import { clock, day, seconds } from "./format.js";
import { ask, button, dot, empty, facts, failed as refused, link, loaded, panel, part, tell, time } from "./parts.js";
import { start } from "./failed.js";

const TONES = { running: "good", held: "good", dead: "bad", delayed: "warn", waiting: "warn", claimed: "good" };
const revealed = new Map();

export function message(context, at) {
  const entry = context.data(`messages/${part(at.name)}`, 3);
  return [h("h1", { class: "id" }, at.name), loaded(entry, (said) => {
    const found = said.found;
    return [
      h("div", { class: "title", key: "title" }, found ? dot(TONES[found.state] || "warn", found.state) : dot("warn", said.ended.length ? said.ended.at(-1).outcome : "not found"), found?.task ? h("b", null, found.task) : null, found?.queue ? link(`queues/${part(found.queue)}`, `queue ${found.queue}`) : null,
        found?.state === "delayed" ? button("Cancel it …", () => cancel(context, at.name, found.queue), { disabled: !context.mayAct, tone: "danger" }) : null),
      found || said.ended.length || said.errors.length ? null : empty("There is no such message any more, or not yet: what succeeded is remembered for the last thousand of each worker."),
      said.looked.map((each) => h("p", { class: "dim", key: each }, each)),
      timeline(said), found?.state === "dead" ? letter(context, at.name, found.queue) : arguments_(found),
      found && found.state !== "dead" ? panel("Details", {}, facts([["worker", found.worker], ["process", found.process], ["attempt", found.attempt], ["retries", found.headers?.retries], ["origin", found.headers?.origin], ["due", found.due_at ? day(found.due_at) : null]])) : null,
    ];
  })];
}

function timeline({ found, ended }) {
  const steps = [];
  if (found?.headers?.sent) steps.push([Number(found.headers.sent) / 1000, "sent"]);
  for (const each of ended) steps.push([each.begun_at, `begun on ${each.worker}${each.wait_seconds ? `, after ${seconds(each.wait_seconds)}` : ""}`], [each.ended_at, `${each.outcome} after ${seconds(each.wall_seconds)}${each.reason ? `: ${each.reason}` : ""}`]);
  if (found?.since) steps.push([found.since, `begun on ${found.worker}; runs`]);
  if (found?.due_at) steps.push([found.due_at, "due"]);
  if (found?.death?.at) steps.push([found.death.at, `died: ${found.death.reason}`]);
  if (!steps.length) return null;
  return panel("What became of it", {}, h("ol", { class: "timeline" }, steps.sort((a, b) => a[0] - b[0]).map(([when, what], index) => h("li", { key: index }, h("time", { title: day(when) }, clock(when)), " ", what))));
}

const arguments_ = (found) => (found?.headers?.argsrepr || found?.headers?.kwargsrepr ? panel("Arguments", {}, h("pre", null, `${found.headers.argsrepr || ""} ${found.headers.kwargsrepr || ""}`)) : null);

function letter(context, id) {
  const entry = context.data(`dead/letters/${part(id)}`, 10);
  if (entry.error && !entry.value) return refused(entry.error);
  return loaded(entry, (said) => {
    const found = revealed.get(id) || said;
    const hidden = found.args === null && found.kwargs === null;
    return [
      h("p", { class: "actions", key: "actions" }, button("Retry", () => start(context, { verb: "retry", filter: { ids: [id] }, most: 1 }), { tone: "primary", disabled: !context.mayAct }), button("Edit and retry …", () => edit(context, id), { disabled: !context.mayAct }), button("Delete …", () => remove(context, id), { tone: "danger", disabled: !context.mayAct })),
      panel("Why it died", {}, facts([["reason", found.reason], ["died", found.at ? [day(found.at), " (", time(found.at), ")"] : null], ["in queue", found.queue], ["now in", found.dead_letter], ["worker", found.worker], ["delivery", found.attempt], ["retries", found.retries], ["signal", found.exit_signal]]), found.traceback ? h("pre", null, found.traceback) : null),
      panel("Arguments", { extra: context.isOperator && !revealed.has(id) ? button("Show all of them", () => reveal(context, id), { tone: "quiet", disabled: !context.mayAct, title: "is noted in the event log" }) : null }, hidden ? empty("Not shown. ", context.session?.name ? "The file says so, or they can't be read." : "Log in to see them.") : [h("pre", null, found.args), found.kwargs && found.kwargs !== "{}" ? h("pre", null, found.kwargs) : null]),
    ];
  });
}

async function reveal(context, id) {
  try {
    revealed.set(id, await post("dead/reveal", { id }));
    context.render();
    return revealed.get(id);
  } catch (problem) { tell(problem.message, "bad"); }
  return null;
}

const isJson = (kind) => (text) => { try { const value = JSON.parse(text); return kind === "list" ? Array.isArray(value) : value !== null && typeof value === "object" && !Array.isArray(value); } catch { return false; } };

async function edit(context, id) {
  const whole = await reveal(context, id);
  if (!whole) return;
  const said = await ask({ title: "Edit and retry", wide: true, yes: "Send it back", text: `${whole.task} is called with these instead; its id stays. The worker checks them against its signature first: what does not fit is rejected without having run, and is back here with the reason.`, fields: [
    { name: "args", label: "Arguments, a JSON list", type: "textarea", value: whole.args ?? "[]", must: isJson("list") }, { name: "kwargs", label: "Named arguments, a JSON object", type: "textarea", rows: 5, value: whole.kwargs ?? "{}", must: isJson("object") }] });
  if (!said) return;
  // As texts: a number larger than a browser's numbers stays what it is.
  await start(context, { verb: "edit", filter: { ids: [id] }, args_json: said.args, kwargs_json: said.kwargs });
  revealed.delete(id);
}

async function remove(context, id) {
  if (await ask({ title: "Delete this message?", text: "It is gone for ever.", yes: "Delete for ever", tone: "danger" })) await start(context, { verb: "delete", filter: { ids: [id] }, most: 1 });
}

async function cancel(context, id, queue) {
  if (await ask({ title: "Cancel this message?", text: "It is deleted and will not run.", yes: "Cancel the message", tone: "danger" })) context.act("delayed/cancel", { id, queue }, "messages");
}
