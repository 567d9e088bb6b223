// What happened, who told the fleet what, and the last lines of logs.

import { query } from "./api.js";
import { h } from "./dom.js";
import { day } from "./format.js";
import { button, empty, facts, loaded, panel, part, table } from "./parts.js";

const LEVELS = { ERROR: "bad", WARNING: "warn" };

export function events(context, at) {
  const before = at.search.get("before"), of = at.search.get("of") || "all", text = (at.search.get("text") || "").toLowerCase();
  const entry = context.data(`history/events?${query({ before, limit: 200 })}`, before ? 60 : 3);
  const kinds = { all: () => true, people: (row) => row.audit, trouble: (row) => row.level !== "INFO" };
  return [h("h1", null, "Events"), panel("Events", { note: "the latest first", extra: h("span", { class: "choice", role: "group", "aria-label": "Which" }, Object.keys(kinds).map((each) => h("button", { key: each, type: "button", "aria-pressed": String(each === of), onclick: () => context.go({ of: each === "all" ? null : each }) }, each))) },
    h("form", { class: "filter", role: "search", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() }, h("label", null, "Text", h("input", { name: "text", initial: { value: text }, oninput: (event) => context.go({ text: event.target.value }) }))),
    loaded(entry, (said) => {
      const rows = said.events.filter(kinds[of] || kinds.all).filter((row) => !text || row.message.toLowerCase().includes(text));
      return [table("Events", [
        { name: "When", of: (row) => h("span", { class: "nowrap" }, day(row.at)) }, { name: "Level", at: "w1", of: (row) => h("span", { class: LEVELS[row.level] || "dim" }, row.level.toLowerCase()) },
        { name: "What", wide: true, of: (row) => (row.audit ? h("details", null, h("summary", null, row.message), facts([["who", `${row.audit.actor}, pid ${row.audit.pid}`], ["what", row.audit.verb], ...Object.entries(row.audit.arguments || {}).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]), ["outcome", row.audit.outcome]])) : row.message) },
      ], rows, { key: (row) => `${row.sequence} ${row.at}`, nothing: empty("Nothing like that has happened.") }),
      h("p", { class: "pager" }, before ? button("Latest", () => context.go({ before: null })) : null, said.events.length >= 200 ? button("Older", () => context.go({ before: said.events.at(-1).sequence })) : null)];
    }))];
}

export function logLines(context, of, lines) {
  const entry = context.data(`logs?${query({ of, lines })}`, 2);
  const several = !of || !of.includes("/");
  return loaded(entry, (said) => (said.lines.length ? h("pre", { class: "log", tabindex: 0, role: "region", "aria-label": `Log of ${of || "all"}` }, said.lines.map((each) => (several ? `${each.of.padEnd(12)} ${each.line}` : each.line)).join("\n")) : empty("It has written nothing.")));
}

export function logs(context, at) {
  const of = at.search.get("of") || "", status = context.live?.status;
  const names = ["controller", "dashboard", ...(status?.schedules?.length ? ["scheduler"] : []), ...(status?.groups || []).flatMap((group) => [group.name, ...group.workers.map((each) => each.id)])];
  return [h("h1", null, "Logs"), panel("Last lines", { note: of || "of all", extra: h("label", { class: "inline" }, "Of ", h("select", { onchange: (event) => context.go({ of: event.target.value }) }, h("option", { value: "", selected: !of }, "all"), [...new Set(names)].map((each) => h("option", { key: each, value: each, selected: each === of }, each)))) }, logLines(context, of, 400))];
}
