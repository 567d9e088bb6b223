// The frame: who looks, where in the page they are, the state that comes each second; and the keys.

import { Refused, data, follow, forget, get, onChange, post } from "./api.js";
import { h, patch } from "./dom.js";
import { ago, clock } from "./format.js";
import { ask, button, dot, link, tell } from "./parts.js";
import { config } from "./config.js";
import { events, logs } from "./events.js";
import { failed } from "./failed.js";
import { delayed, schedules } from "./later.js";
import { group, groups, worker } from "./groups.js";
import { message } from "./message.js";
import { overview } from "./overview.js";
import { queue, queues } from "./queues.js";
import { task, tasks } from "./tasks.js";

const SCREENS = [
  ["overview", "Overview", overview], ["queues", "Queues", queues, queue], ["groups", "Groups", groups, group], ["tasks", "Tasks", tasks, task],
  ["failed", "Failed", failed], ["delayed", "Delayed", delayed], ["schedules", "Schedules", schedules], ["events", "Events", events], ["logs", "Logs", logs], ["config", "Config", config],
];
const OTHERS = { workers: worker, messages: message };
const OLD_SECONDS = 5;

const state = { session: null, live: null, heardAt: 0, problem: null, connected: true };

function place() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [screen, ...rest] = path.split("/").map(decodeURIComponent);
  return { screen: screen || "overview", name: rest.join("/"), search: new URLSearchParams(search || "") };
}

export const context = {
  get live() { return state.live; },
  get session() { return state.session; },
  data,
  // Acting needs a role, and something to act on that is as it looks.
  get mayAct() { return state.session?.role === "operator" && state.connected && !state.live?.error; },
  get isOperator() { return state.session?.role === "operator"; },
  // The filter of a screen, in its address.
  go(changes) {
    const at = place();
    for (const [name, value] of Object.entries(changes)) if (value === null || value === undefined || value === "") at.search.delete(name); else at.search.set(name, value);
    const search = at.search.toString();
    history.replaceState(null, "", `#/${[at.screen, ...(at.name ? [encodeURIComponent(at.name)] : [])].join("/")}${search ? `?${search}` : ""}`);
    render();
  },
  async act(path, value, after = "") {
    try {
      const said = await post(path, value);
      const bad = (said.failed || []).join("; ");
      tell(bad || said.outcome || "done", bad ? "bad" : "good");
      forget(after);
      return said;
    } catch (problem) {
      tell(problem.message, "bad");
      return null;
    } finally {
      render();
    }
  },
  render: () => render(),
};

let planned = false;
function render() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => { planned = false; draw(); });
}

function draw() {
  const root = document.getElementById("app");
  if (state.session && !state.session.role) return patch(root, login());
  const at = place();
  const known = SCREENS.find(([name]) => name === at.screen);
  let body;
  try {
    body = OTHERS[at.screen] ? OTHERS[at.screen](context, at) : !known ? [h("h1", null, "There is no such page")] : at.name && known[3] ? known[3](context, at) : known[2](context, at);
    if (!state.live?.status && at.screen !== "logs") body = state.live?.error ? [h("p", { class: "empty" }, "The controller has not answered yet. It is restarted when it fails; "  , h("code", null, "fleet status"), " on the machine tells more.")] : [h("p", { class: "empty loading", "aria-busy": "true" }, "Loading the fleet …")];
  } catch (problem) {
    body = [h("p", { class: "problem", role: "alert" }, `This page can't be shown: ${problem.message}`)];
    console.error(problem);
  }
  document.title = `${at.name || (known ? known[1] : at.screen)} · ${state.session?.fleet || "fleet"}`;
  patch(root, [head(at), banner(), h("main", { id: "main", tabindex: -1, key: `main ${at.screen} ${at.name}`, class: state.connected && !state.live?.error ? null : "old" }, body), foot()]);
}

function head(at) {
  const status = state.live?.status;
  const dead = (status?.queues || []).reduce((sum, each) => sum + (each.dead || 0), 0);
  return h("header", { class: "top", key: "top" },
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); document.getElementById("main").focus(); } }, "Skip to the page"),
    h("a", { class: "brand", href: "#/overview" }, state.session?.fleet || "fleet"), status ? dot(tone(status.state), status.state) : null,
    h("nav", { "aria-label": "Screens" }, SCREENS.map(([name, title]) => h("a", { key: name, href: `#/${name}`, "aria-current": at.screen === name || (name === "groups" && at.screen === "workers") ? "page" : null }, title, name === "failed" && dead ? h("b", { class: "badge" }, dead > 999 ? "999+" : dead) : null))),
    h("form", { class: "search", role: "search", onsubmit: (event) => { event.preventDefault(); const id = event.target.elements.id.value.trim(); if (id) location.hash = `#/messages/${encodeURIComponent(id)}`; } },
      h("input", { name: "id", type: "search", placeholder: "Message id  /", "aria-label": "Find a message by its id", autocomplete: "off", spellcheck: "false" })),
    state.session?.name ? button(`${state.session.name} · ${state.session.role}`, leave, { tone: "quiet", title: "Log out" }) : button("Log in", enter, { tone: "quiet", title: "You look without a token; to act, log in" }),
    button(theme() === "dark" ? "Light" : "Dark", turn, { tone: "quiet", title: "Another theme" }));
}

const tone = (name) => ({ healthy: "good", stopping: "warn" })[name] || "bad";

function banner() {
  if (!state.connected) return h("p", { class: "banner bad", role: "alert", key: "banner" }, `No connection to the dashboard since ${clock(state.heardAt / 1000)}; what you see is from then, and nothing can be done. `, h("code", null, "fleet status"), " on the machine tells more.");
  if (state.live?.error) return h("p", { class: "banner bad", role: "alert", key: "banner" }, `${state.live.error}. Workers go on without it; what you see is of ${state.seenAt ? clock(state.seenAt) : "before"}.`);
  return null;
}

const foot = () => h("footer", { class: "foot", key: "foot" }, state.seenAt ? `as of ${clock(state.seenAt)}` : "", h("span", null, `fleet ${state.session?.version || ""}`), button("Keys", help, { tone: "quiet" }));

function login() {
  const enter = async (event) => {
    event.preventDefault();
    const said = event.target.elements.token.value.trim();
    const problem = event.target.querySelector(".problem");
    try {
      await post("login", { token: said });
      location.reload();
    } catch (refusal) { problem.textContent = refusal.message; }
  };
  return h("main", { class: "login", key: "login" }, h("h1", null, state.session.fleet), h("form", { onsubmit: enter },
    h("label", null, "Token", h("input", { name: "token", type: "password", autocomplete: "current-password", autofocus: true })), h("p", { class: "problem", role: "alert", own: true }),
    h("button", { type: "submit", class: "primary" }, "Log in")), h("p", { class: "dim" }, "On the fleet's machine ", h("code", null, "fleet dashboard"), " prints a link that logs you in."));
}

async function enter() {
  const said = await ask({ title: "Log in", yes: "Log in", text: h("p", null, "A token of the fleet; ", h("code", null, "fleet dashboard"), " on its machine prints a link that needs none."), fields: [{ name: "token", label: "Token", type: "password", must: (value) => value.trim() }] });
  if (!said) return;
  try {
    await post("login", { token: said.token.trim() });
    location.reload();
  } catch (refusal) { tell(refusal.message, "bad"); }
}

async function leave() {
  if (!(await ask({ title: "Log out?", yes: "Log out" }))) return;
  await post("logout");
  location.reload();
}

const theme = () => document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

function turn() {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  localStorage.setItem("fleet-theme", document.documentElement.dataset.theme);
  render();
}

function help() {
  const keys = [["1 … 9, 0", "Overview, Queues … Config"], ["j k", "next, previous row"], ["Enter", "open"], ["Backspace", "back"], ["/", "find a message by its id"], ["t", "light or dark"], ["?", "this"]];
  ask({ title: "Keys", yes: "Good", text: h("dl", { class: "facts" }, keys.map(([key, does]) => [h("dt", null, h("kbd", null, key)), h("dd", null, does)])) });
}

function step(forward) {
  const rows = [...document.querySelectorAll("tr[data-row] a[href], tr[data-row] button")].filter((each, index, all) => all.findIndex((other) => other.closest("tr") === each.closest("tr")) === index);
  const at = rows.findIndex((each) => each.closest("tr").contains(document.activeElement));
  const next = rows[at < 0 ? (forward ? 0 : rows.length - 1) : at + (forward ? 1 : -1)];
  if (next) next.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) {
    if (event.key === "Escape") document.activeElement.blur();
    return;
  }
  if (/^[0-9]$/.test(event.key)) location.hash = `#/${SCREENS[(Number(event.key) + 9) % 10][0]}`;
  else if (event.key === "j" || event.key === "k") step(event.key === "j");
  else if (event.key === "Backspace") history.back();
  else if (event.key === "/") { event.preventDefault(); document.querySelector(".search input")?.focus(); }
  else if (event.key === "t") turn();
  else if (event.key === "?") help();
});

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#login=")) return begin();
  draw();
  scrollTo(0, 0);
});
onChange(render);

async function begin() {
  const kept = localStorage.getItem("fleet-theme");
  if (kept) document.documentElement.dataset.theme = kept;
  const code = location.hash.match(/^#login=([A-Z0-9]+)$/);
  if (code) {
    history.replaceState(null, "", "#/overview"); // before anything else: the code stays in no history
    try { await post("login", { code: code[1] }); } catch (problem) { tell(problem.message, "bad"); }
  }
  try {
    state.session = await get("session");
  } catch (problem) {
    patch(document.getElementById("app"), h("p", { class: "boot problem", role: "alert" }, problem.message));
    if (!(problem instanceof Refused) || problem.status === 0) setTimeout(begin, 2000);
    return;
  }
  draw();
  if (!state.session.role || state.following) return;
  state.following = true;
  follow((said) => {
    state.heardAt = Date.now();
    state.connected = true;
    if (said.status) { state.live = said; state.seenAt = said.at; } else state.live = { ...state.live, ...said };
    render();
  }, () => { render(); });
  setInterval(() => {
    const connected = document.hidden || !state.heardAt || Date.now() - state.heardAt < OLD_SECONDS * 1000;
    if (connected !== state.connected || !connected) { state.connected = connected; render(); }
  }, 1000);
}

begin();
