// What screens are made of: panels, tables, buttons, questions, and the states that data can be in.

import { h, patch } from "./dom.js";
import { NOTHING, ago, day } from "./format.js";

export const link = (to, ...children) => h("a", { href: `#/${to}` }, ...children);
export const part = (text) => encodeURIComponent(text);
export const dot = (tone, text) => h("span", { class: `state ${tone}` }, h("i", { "aria-hidden": "true" }), text);
export const time = (at) => (at ? h("time", { title: day(at) }, ago(at)) : NOTHING);

export function panel(title, { id, extra, note } = {}, ...children) {
  return h("section", { class: "panel", key: id || title, "aria-label": title }, h("header", null, h("h2", null, title, note ? h("small", null, note) : null), extra || null), ...children);
}

export const empty = (...said) => h("p", { class: "empty" }, ...said);

// What `data` gave: waiting for the first time, refused, or there (perhaps old, which is said).
export function loaded(entry, show) {
  if (entry.value === null && entry.error) return failed(entry.error);
  if (entry.value === null) return h("p", { class: "empty loading", "aria-busy": "true" }, "Loading …");
  return [entry.error ? h("p", { class: "stale" }, `as before; now: ${entry.error.message}`) : null, show(entry.value)];
}

// Who may not see something has done nothing wrong, and nothing is broken.
export const failed = (problem) => problem.status === 401 || problem.status === 403 ? empty(problem.message) : h("p", { class: "problem", role: "alert" }, `This can't be shown: ${problem.message}. `, h("code", null, "fleet status"), " tells how things stand.");

// columns: [{name, of: row → cell, n: numbers, at: from which width it is shown}]
export function table(label, columns, rows, { key, lead, tone, nothing } = {}) {
  if (!rows.length) return nothing || empty("None.");
  const used = columns.filter(Boolean);
  const kind = (column) => [column.n ? "n" : "", column.at || "", column.wide ? "grow" : ""].join(" ").trim() || null;
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, h("table", null,
    h("thead", null, h("tr", null, used.map((column) => h("th", { class: kind(column), scope: "col" }, column.name)))),
    h("tbody", null, rows.map((row, index) => h("tr", { key: key ? key(row) : index, class: tone ? tone(row) : null, "data-row": lead ? "" : null }, used.map((column) => h("td", { class: kind(column) }, column.of(row))))))));
}

export const tiles = (...items) => h("dl", { class: "tiles" }, items.filter(Boolean).map(([name, value, tone]) => h("div", { class: tone || null, key: name }, h("dt", null, name), h("dd", null, value))));

export const facts = (items) => h("dl", { class: "facts" }, items.filter((each) => each && each[1] !== null && each[1] !== undefined && each[1] !== "").map(([name, value]) => [h("dt", { key: `t${name}` }, name), h("dd", { key: `d${name}` }, value)]));

export function button(text, act, { tone, disabled, title } = {}) {
  return h("button", { type: "button", class: tone || null, disabled, title, onclick: act }, text);
}

// A question; resolves to what was filled in, or null. fields: [{name, label, type, value, hint, must}]
export function ask({ title, text, fields = [], yes, tone, wide }) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    const close = (value) => { dialog.close(); dialog.remove(); resolve(value); };
    const values = () => Object.fromEntries(fields.map((field) => [field.name, dialog.querySelector(`[name="${field.name}"]`).value]));
    const fit = () => {
      const given = values();
      dialog.querySelector("button.yes").disabled = fields.some((field) => field.must !== undefined && !field.must(given[field.name]));
    };
    dialog.className = wide ? "wide" : "";
    dialog.setAttribute("aria-labelledby", "ask-title");
    dialog.oncancel = () => close(null);
    patch(dialog, h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); close(values()); } },
      h("h2", { id: "ask-title" }, title), [text].flat().map((each) => (typeof each === "string" ? h("p", null, each) : each)),
      fields.map((field) => h("label", null, field.label, field.type === "textarea"
        ? h("textarea", { name: field.name, rows: field.rows || 6, spellcheck: "false", initial: { value: field.value ?? "" }, oninput: fit })
        : h("input", { name: field.name, type: field.type || "text", autocomplete: "off", spellcheck: "false", initial: { value: field.value ?? "" }, oninput: fit }),
      field.hint ? h("small", null, field.hint) : null)),
      h("footer", null, h("button", { type: "button", onclick: () => close(null) }, "Cancel"), h("button", { type: "submit", class: `yes ${tone || "primary"}` }, yes))));
    document.body.append(dialog);
    dialog.showModal();
    fit();
    const first = dialog.querySelector("input, textarea");
    if (first) first.focus(); else dialog.querySelector("button").focus();
  });
}

export function tell(text, tone = "") {
  let place = document.getElementById("told");
  if (!place) {
    place = document.createElement("div");
    place.id = "told";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  const line = document.createElement("p");
  line.className = tone;
  line.textContent = text;
  place.append(line);
  setTimeout(() => line.remove(), tone === "bad" ? 12000 : 6000);
}
