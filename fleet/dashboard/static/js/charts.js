// Charts as SVG: a line beside a number, series over time, a histogram; each larger one with its table.

import { h } from "./dom.js";
import { clock, count, day, seconds } from "./format.js";

export function spark(points, label) {
  const numbers = points.map((point) => point ?? 0);
  if (numbers.length < 2) return h("span", { class: "dim" }, "–");
  const most = Math.max(...numbers, 1);
  const step = 96 / (numbers.length - 1);
  const line = numbers.map((number, index) => `${(index * step).toFixed(1)},${(21 - (number / most) * 19).toFixed(1)}`).join(" ");
  return h("svg", { class: "spark", viewBox: "0 0 96 22", role: "img", "aria-label": label, preserveAspectRatio: "none" },
    h("polygon", { points: `0,22 ${line} 96,22`, class: "area" }), h("polyline", { points: line, class: "line" }));
}

const WIDTH = 720, HEIGHT = 180, LEFT = 52, BOTTOM = 22, TOP = 10;

function top(most) {
  if (most <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((each) => each * size).find((each) => each >= most);
}

// series: [{name, values: [number|null]}], all over the same times.
export function lines({ title, times, series, unit = count, from, to }) {
  const said = series.some((each) => each.values.some((value) => value !== null && value !== undefined));
  if (!said) return h("figure", { class: "chart" }, h("figcaption", null, title), h("p", { class: "empty" }, "Nothing was counted in this time. A point is written each minute in which something happens."));
  const most = top(Math.max(...series.flatMap((each) => each.values.map((value) => value ?? 0))));
  const x = (at) => LEFT + ((at - from) / (to - from || 1)) * (WIDTH - LEFT - 8);
  const y = (value) => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
  const gap = Math.max(...times.slice(1).map((at, index) => at - times[index]).sort((a, b) => a - b).slice(0, Math.ceil(times.length / 2)), 60) * 2.5;
  const grid = [0, 0.5, 1].map((part) => [h("line", { x1: LEFT, x2: WIDTH - 8, y1: y(most * part), y2: y(most * part), class: "grid" }),
    h("text", { x: LEFT - 6, y: y(most * part) + 4, "text-anchor": "end" }, unit(most * part))]);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => h("text", { x: x(from + (to - from) * part), y: HEIGHT - 6, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" }, to - from > 86400 * 1.5 ? day(from + (to - from) * part).slice(5, 16) : clock(from + (to - from) * part).slice(0, 5)));
  const drawn = series.map((each, index) => {
    let path = "", last = null;
    each.values.forEach((value, position) => {
      if (value === null || value === undefined) { last = null; return; }
      const at = times[position];
      path += `${last !== null && at - last <= gap ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      last = at;
    });
    // A single point has no line: give it a stub, so that it can be seen.
    return h("path", { d: path.replace(/M([\d.]+) ([\d.]+)(?=M|$)/g, "M$1 $2h2"), class: `series s${index}` });
  });
  const legend = series.length > 1 ? h("p", { class: "legend" }, series.map((each, index) => h("span", null, h("i", { class: `key s${index}` }), each.name))) : null;
  return h("figure", { class: "chart" },
    h("figcaption", null, title, legend),
    h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: a chart; the table below has its numbers` }, grid, ticks, drawn),
    h("details", null, h("summary", null, "Table"), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}, table` }, h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Time"), series.map((each) => h("th", { class: "n", scope: "col" }, each.name)))),
      h("tbody", null, times.map((at, position) => h("tr", { key: at }, h("td", null, day(at)), series.map((each) => h("td", { class: "n" }, unit(each.values[position]))))).reverse())))));
}

// counted: {buckets, count, p50, p95, p99} and the bounds they share.
export function histogram(title, counted, bounds) {
  const buckets = counted.buckets || [];
  if (!counted.count || !buckets.length) return h("figure", { class: "chart" }, h("figcaption", null, title), h("p", { class: "empty" }, "None ended in this time."));
  const first = Math.max(0, buckets.findIndex((each) => each > 0) - 1);
  const last = buckets.findLastIndex((each) => each > 0) + 1;
  const shown = Array.from({ length: last - first + 1 }, (_, index) => buckets[first + index] || 0);
  const most = Math.max(...shown), wide = (WIDTH - LEFT - 8) / shown.length;
  const height = (value) => (value / most) * (HEIGHT - TOP - BOTTOM);
  const every = Math.ceil(shown.length / 9);
  const name = (index) => (first + index < bounds.length ? `≤ ${seconds(bounds[first + index])}` : "longer");
  return h("figure", { class: "chart" },
    h("figcaption", null, title, h("p", { class: "legend" }, ["p50", "p95", "p99"].map((each) => h("span", null, `${each} ${seconds(counted[each])}`)))),
    h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: median ${seconds(counted.p50)}, 95th percentile ${seconds(counted.p95)}` },
      [0, 1].map((part) => [h("line", { x1: LEFT, x2: WIDTH - 8, y1: HEIGHT - BOTTOM - height(most * part), y2: HEIGHT - BOTTOM - height(most * part), class: "grid" }), h("text", { x: LEFT - 6, y: HEIGHT - BOTTOM - height(most * part) + 4, "text-anchor": "end" }, count(most * part))]),
      shown.map((value, index) => h("rect", { x: LEFT + index * wide + 1, width: Math.max(1, wide - 2), y: HEIGHT - BOTTOM - height(value), height: height(value), class: "bar" }, h("title", null, `${name(index)}: ${count(value)}`))),
      shown.map((_, index) => (index % every === 0 ? h("text", { x: LEFT + (index + 0.5) * wide, y: HEIGHT - 6, "text-anchor": "middle" }, name(index).replace("≤ ", "")) : null))),
    h("details", null, h("summary", null, "Table"), h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Took"), h("th", { class: "n", scope: "col" }, "Tasks"))),
      h("tbody", null, shown.map((value, index) => h("tr", { key: index }, h("td", null, name(index)), h("td", { class: "n" }, count(value))))))));
}
