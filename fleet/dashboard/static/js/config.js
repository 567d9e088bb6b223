// The configuration: which one is in force, what is wrong with the file, what it would change.

import { post } from "./api.js";
import { h } from "./dom.js";
import { day } from "./format.js";
import { ask, button, dot, empty, facts, link, loaded, panel, part, table, time } from "./parts.js";

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
    drafting(context),
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

// A draft that was pasted: what is left in the box stays there while other screens are looked at.
const draft = { text: "", tried: "", said: null, problem: null };

function drafting(context) {
  const attempt = async (event) => {
    event.preventDefault();
    draft.tried = draft.text = event.target.elements.draft.value;
    try {
      draft.said = await post("plan", { text: draft.tried });
      draft.problem = null;
    } catch (problem) {
      draft.problem = problem;
    }
    context.render();
  };
  return panel("Try a draft", { note: "checked, and what it would change; nothing is applied" }, context.isOperator
    ? h("form", { class: "draft-form", "aria-label": "Draft", onsubmit: attempt }, h("label", null, "A whole fleet.toml", h("textarea", { name: "draft", rows: 10, spellcheck: "false", initial: { value: draft.text }, oninput: (event) => { draft.text = event.target.value; } })), h("p", null, h("button", { type: "submit", class: "primary", disabled: !context.mayAct }, "Try it")))
    : empty("It takes an operator: log in."),
  draft.problem ? h("p", { class: "problem", role: "alert" }, draft.problem.message) : null,
  draft.said ? h("div", { role: "status", "aria-label": "What the draft would do" }, beside(draft.tried, draft.said.diagnostics || []), wrong(draft.said) ? null : plan(draft.said)) : null);
}

const wrong = (said) => (said.diagnostics || []).some((each) => each.severity === "error");

// Each finding below the lines that it is about.
function beside(text, those) {
  if (!those.length) return null;
  const lines = text.split(/\r?\n/);
  return h("ol", { class: "draft" }, those.map((each, index) => h("li", { key: index },
    each.line ? h("pre", null, lines.slice(each.line - 1, each.end_line && each.end_line < each.line + 5 ? each.end_line : each.line).map((line, at) => `${each.line + at}  ${line}`).join("\n")) : null,
    h("p", null, dot(each.severity === "error" ? "bad" : each.severity === "warning" ? "warn" : "", each.severity), " ", each.code ? h("code", null, each.code) : null, ` ${each.message}`), each.help ? h("p", { class: "remedy" }, each.help) : null)));
}

const WORKER = { "+": "start", "-": "stop", "±": "replace", "~": "change" };
const GROUP = { "+": "appears", "-": "goes", "±": "is replaced", "~": "changes" };

// As `fleet plan` has it: what is said to whom, and which keys are why.
function plan(said) {
  if (wrong(said)) return findings(said.diagnostics);
  if (!said.changes) return empty("Nothing: the fleet is as the file says.");
  const keys = [...said.fleet_changes, ...said.groups.flatMap((group) => group.reasons)];
  return [
    said.fleet_changes.some((each) => each.effect === "restart") ? h("p", { class: "stale" }, "It takes a new start of the whole fleet: `fleet down`, `fleet up`.") : null,
    said.groups.length ? h("ul", { class: "plain" }, said.groups.map((group) => h("li", { key: group.name }, `${group.name} ${GROUP[group.symbol]}`, group.actions.length ? `: ${group.actions.map((each) => `${WORKER[each.symbol]} ${each.worker}`).join(", ")}` : ", no worker is replaced"))) : null,
    keys.length ? table("Changes", [{ name: "Key", of: (row) => h("code", null, row.key) }, { name: "Now", of: (row) => text(row.old) }, { name: "Then", of: (row) => text(row.new) }, { name: "Effect", of: (row) => row.effect }], keys, { key: (row) => row.key }) : null];
}

const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

async function reload(context) {
  if (await ask({ title: "Apply the file now?", text: "As fleet reload does: it is checked, and groups that changed are rolled out.", yes: "Apply" })) context.act("reload", {}, "plan");
}
