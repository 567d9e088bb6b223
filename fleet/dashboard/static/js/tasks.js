// Tasks: how often, how they ended, how long they took and waited.

import { h } from "./dom.js";
import { histogram, lines } from "./charts.js";
import { count, rate, seconds, share } from "./format.js";
import { empty, link, loaded, panel, part, table, tiles, time } from "./parts.js";
import { errorTable } from "./overview.js";
import { range } from "./queues.js";

export function taskTable(context, chosen = () => true) {
  const rows = (context.live?.statistics?.tasks || []).filter(chosen).sort((a, b) => b.window.wall_seconds - a.window.wall_seconds || b.total.ran - a.total.ran);
  return table("Tasks", [
    { name: "Task", of: (row) => link(`tasks/${part(`${row.queue} ${row.task}`)}`, row.task) },
    { name: "Queue", at: "w1", of: (row) => link(`queues/${part(row.queue)}`, row.queue) },
    { name: "A second", n: true, of: (row) => rate(row.window.per_second) },
    { name: "Failed", n: true, of: (row) => h("span", { class: row.window.outcomes.failed ? "bad" : null }, count(row.window.outcomes.failed)) },
    { name: "Retried", n: true, at: "w2", of: (row) => count(row.window.outcomes.retried) },
    { name: "Took p50", n: true, at: "w1", of: (row) => seconds(row.window.duration.p50) },
    { name: "p95", n: true, of: (row) => seconds(row.window.duration.p95) },
    { name: "Waited p95", n: true, at: "w2", of: (row) => seconds(row.window.wait.p95) },
    { name: "CPU", n: true, at: "w3", of: (row) => share(row.window.cpu_seconds, row.window.wall_seconds) },
    { name: "Last success", n: true, at: "w2", of: (row) => time(row.last_success_at) },
  ], rows, { key: (row) => `${row.queue} ${row.task}`, lead: true, nothing: empty("No task has ended yet. ", h("code", null, "fleet send TASK"), " sends one.") });
}

export const tasks = (context) => [h("h1", null, "Tasks"), panel("Tasks", { note: `of the last ${seconds(context.live?.statistics?.window_seconds)}; what took most time first` }, taskTable(context))];

export function task(context, at) {
  const [queue, ...rest] = at.name.split(" "), name = rest.join(" ");
  const entry = context.data("statistics?window=900", 10), { chooser, from, to } = range(context, at);
  const past = context.data(`history?kind=task&name=${part(queue)}&task=${part(name)}&from=${from}&to=${to}`, 60);
  const errors = context.data(`errors?queue=${part(queue)}&task=${part(name)}`, 5);
  const series = (points, pick) => points.map(pick);
  return [
    h("div", { class: "title", key: "title" }, h("h1", null, name), link(`queues/${part(queue)}`, `queue ${queue}`)),
    loaded(entry, (said) => {
      const row = said.tasks.find((each) => each.queue === queue && each.task === name);
      if (!row) return empty("No task of this name has ended in this queue.");
      const { total, window } = row, cpu = window.cpu_seconds / window.wall_seconds;
      return [
        tiles(["A second", rate(window.per_second)], ["Succeeded", count(total.outcomes.succeeded)], ["Failed", count(total.outcomes.failed), total.outcomes.failed ? "bad" : null], ["Retried", count(total.outcomes.retried)], ["Lost", count(total.outcomes.lost)], ["Rejected", count(total.outcomes.rejected)], ["Expired", count(total.outcomes.expired)], ["CPU of its time", share(window.cpu_seconds, window.wall_seconds)], ["Last success", time(row.last_success_at)]),
        window.ran > 20 && cpu !== null ? h("p", { class: "advice" }, cpu > 0.7 ? "It computes: prefork is its pool, with no more processes than CPUs." : cpu < 0.2 ? "It mostly waits: gevent, asyncio or threads run many at once." : null) : null,
        panel("How long", { note: "last 15 minutes" }, h("div", { class: "charts" }, histogram("It took", window.duration, said.bounds), histogram("It waited", window.wait, said.bounds)), window.wait.unknown ? h("p", { class: "dim" }, `${count(window.wait.unknown)} came from programs that do not say when they sent.`) : null),
      ];
    }),
    panel("Past", { extra: chooser }, loaded(past, ({ points }) => h("div", { class: "charts" },
      lines({ title: "Ended a second", times: series(points, (point) => point.at), unit: rate, series: [{ name: "all", values: series(points, (point) => point.per_second) }], from, to }),
      lines({ title: "Failed", times: series(points, (point) => point.at), series: [{ name: "failed", values: series(points, (point) => point.outcomes?.failed ?? 0) }], from, to }),
      lines({ title: "Duration", times: series(points, (point) => point.at), unit: seconds, series: ["p50", "p95", "p99"].map((each) => ({ name: each, values: series(points, (point) => point.duration?.[each]) })), from, to })))),
    panel("Errors", {}, loaded(errors, (said) => errorTable(said.errors, "It has not failed."))),
  ];
}
