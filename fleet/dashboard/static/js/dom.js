// Elements from plain values: `h` describes, `patch` makes the page so, keeping what is there (focus, scroll, selection).
// Texts become text nodes and nothing else: nothing of a message can become markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props, ...children) {
  return { tag, props: props || {}, children: children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false && each !== "") };
}

export function patch(parent, described) {
  sync(parent, [described].flat(Infinity).filter(Boolean), false);
}

function sync(parent, wanted, inSvg) {
  const keyed = new Map();
  for (let node = parent.firstChild; node; node = node.nextSibling) if (node.fleetKey !== undefined) keyed.set(node.fleetKey, node);
  let at = parent.firstChild;
  for (const each of wanted) {
    const key = each.props ? each.props.key : undefined;
    let node = key !== undefined ? keyed.get(String(key)) : at;
    if (node && fits(node, each)) {
      if (node === at) at = at.nextSibling;
      else parent.insertBefore(node, at);
    } else {
      node = make(each, inSvg);
      parent.insertBefore(node, at);
    }
    fill(node, each, inSvg);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function fits(node, each) {
  if (typeof each !== "object") return node.nodeType === Node.TEXT_NODE;
  const key = each.props.key === undefined ? undefined : String(each.props.key);
  return node.nodeType === Node.ELEMENT_NODE && node.localName === each.tag && node.fleetKey === key;
}

function make(each, inSvg) {
  if (typeof each !== "object") return document.createTextNode(each);
  const node = inSvg || each.tag === "svg" ? document.createElementNS(SVG, each.tag) : document.createElement(each.tag);
  if (each.props.key !== undefined) node.fleetKey = String(each.props.key);
  for (const [name, value] of Object.entries(each.props.initial || {})) node[name] = value; // what the person then changes
  return node;
}

function fill(node, each, inSvg) {
  if (typeof each !== "object") {
    if (node.data !== String(each)) node.data = String(each);
    return;
  }
  const before = node.fleetProps || {};
  for (const name of Object.keys(before)) if (!(name in each.props)) set(node, name, null);
  for (const [name, value] of Object.entries(each.props)) if (before[name] !== value) set(node, name, value);
  node.fleetProps = each.props;
  if (!each.props.own) sync(node, each.children, inSvg || each.tag === "svg");
}

function set(node, name, value) {
  if (name === "key" || name === "initial" || name === "own") return;
  if (name.startsWith("on")) node[name] = value;
  else if (name === "checked" || name === "disabled" || name === "selected" || name === "open") node[name] = Boolean(value);
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
