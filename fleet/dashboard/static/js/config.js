// The configuration: which one is in force, what is wrong with the file, what it would change.

import { h } from "./dom.js";
import { day } from "./format.js";
import { ask, button, empty, facts, link, loaded, panel, part, table, time } from "./parts.js";

export function config(context, at) {
  const status = context.live?.status;
  if (!status) return [];
  const { rejected, warnings } = status.config, entry = context.data("plan", 5);
  return [
    h("div", { class: "title", key: "title" }, h("h1", null, "Config"), button("Apply the file …", () => reload(context), { disabled: !context.mayAct })),
    panel("In force", {}, facts([["file", status.file], ["revision", h("code", null, status.config.revision)], ["loaded", [day(status.config.loaded_at), " (", time(status.config.loaded_at), ")"]], ["rollout", status.rollout ? `${status.rollout.group} ${status.rollout.state}${status.rollout.reason ? `: ${status.rollout.reason}` : ""}` : "none"], ["supervisor", `pid ${status.supervisor.pid}`], ["controller", `pid ${status.controller.pid}, ${status.controller.restarts} restarts`]])),
    rejected ? panel("The file is refused", { note: "the fleet runs the last good one" }, findings(rejected.diagnostics || [])) : null,
    warnings.length ? panel("Too much for this machine", {}, findings(warnings)) : null,
    panel("What the file would change now", {}, loaded(entry, plan)),
    tester(context, at.search.get("task") || ""),
  ];
}

function tester(context, task) {
  const entry = task ? context.data(`route?task=${part(task)}`, 5) : null;
  return panel("Which rule takes a task", { note: "[[routes]] in force" },
    h("form", { class: "filter", role: "search", "aria-label": "Route of a task", onsubmit: (event) => event.preventDefault() },
      h("label", null, "Task", h("input", { name: "task", initial: { value: task }, onchange: (event) => context.go({ task: event.target.value.trim() }), autocomplete: "off", spellcheck: "false" }))),
    entry && loaded(entry, (said) => h("p", { role: "status" }, said.rule
      ? [`${said.task} goes to queue `, link(`queues/${part(said.queue)}`, said.queue), said.priority === null ? "" : `, priority ${said.priority}`, `, by rule ${said.rule.index + 1}: task = "${said.rule.pattern}".`]
      : `No rule takes ${said.task}: sending it fails, unless the code names a queue or a Celery app routes it.`)));
}

const findings = (those) => h("ul", { class: "reasons" }, those.map((each, index) => h("li", { key: index }, each.code ? h("code", null, each.code) : null, ` ${each.line ? `line ${each.line}: ` : ""}${each.message}`, each.help ? h("p", { class: "remedy" }, each.help) : null)));

function plan(said) {
  if (said.diagnostics?.some((each) => each.severity === "error")) return findings(said.diagnostics);
  const changes = [...(said.fleet_changes || []).map((each) => ({ group: "", ...each })), ...(said.groups || []).flatMap((group) => (group.changes || []).map((each) => ({ group: group.name, action: group.action, ...each })))];
  const acts = (said.groups || []).filter((group) => group.action && group.action !== "none" && group.action !== "keep" && !(group.changes || []).length);
  if (!changes.length && !acts.length) return empty("Nothing: the fleet is as the file says.");
  return [acts.length ? h("ul", { class: "plain" }, acts.map((group) => h("li", { key: group.name }, `${group.action} ${group.name}`))) : null,
    changes.length ? table("Changes", [{ name: "Key", of: (row) => h("code", null, row.key) }, { name: "Now", of: (row) => text(row.before ?? row.was) }, { name: "Then", of: (row) => text(row.after ?? row.now) }, { name: "Effect", of: (row) => row.effect || row.action || "" }], changes, { key: (row) => `${row.group} ${row.key}` }) : null];
}

const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

async function reload(context) {
  if (await ask({ title: "Apply the file now?", text: "As fleet reload does: it is checked, and groups that changed are rolled out.", yes: "Apply" })) context.act("reload", {}, "plan");
}
