// Adds to the page what needs a script: a filter, the forms that try a route, and opening what a link leads to.
"use strict";

const MAX_SHOWN = 20000;
const key = document.getElementById("key");

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details");
  if (folded) { folded.open = true; target.scrollIntoView(); }
}

function filterRoutes(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const route of document.querySelectorAll(".route")) {
    const text = route.querySelector("summary").textContent.toLowerCase();
    route.hidden = !wanted.every((word) => text.includes(word));
    if (!route.hidden) shown += 1;
  }
  for (const subject of document.querySelectorAll(".subject")) subject.hidden = !subject.querySelector(".route:not([hidden])");
  document.getElementById("found").textContent = wanted.length ? `${shown} routes` : "";
}

function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams(), headers = {}, method = form.dataset.method;
  for (const field of form.querySelectorAll("input[data-name]")) {
    const { name, in: place } = field.dataset;
    if (place === "path") path = path.replace(new RegExp(`{${name}(:path)?}`), () => encodeURIComponent(field.value));
    else if (field.value !== "" && place === "query") query.append(name, field.value);
    else if (field.value !== "" && place === "header") headers[name] = field.value;
  }
  if (form.dataset.key && key.value) headers.authorization = `Bearer ${key.value}`;
  const text = form.querySelector("textarea");
  if (text && text.dataset.type !== "multipart/form-data") headers["content-type"] = text.dataset.type;
  return { url: query.size ? `${path}?${query}` : path, options: { method, headers, body: text ? text.value : undefined } };
}

function quoted(text) { return `'${text.replaceAll("'", "'\\''")}'`; }

function commandOf({ url, options }) {
  const parts = [`curl -X ${options.method} ${quoted(location.origin + url)}`];
  for (const [name, value] of Object.entries(options.headers)) {
    parts.push(name === "authorization" ? '-H "authorization: Bearer $CAIRN_KEY"' : `-H ${quoted(`${name}: ${value}`)}`);
  }
  if (options.body !== undefined) parts.push(`--data-binary ${quoted(options.body)}`);
  return parts.join(" \\\n  ");
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function show(response, place) {
  const heading = document.createElement("p"), body = document.createElement("pre");
  heading.textContent = `${response.status} ${response.statusText}, request ${response.headers.get("x-request-id") || "without an id"}`;
  body.tabIndex = 0;
  place.replaceChildren(heading, body);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    body.textContent = text.slice(0, MAX_SHOWN);
    if (text.length > MAX_SHOWN) { await reader.cancel(); body.textContent += "\n… cut here"; return; }
  }
  body.textContent = pretty(text);
}

async function send(event) {
  event.preventDefault();
  const form = event.target, stop = form.querySelector(".stop"), place = form.querySelector(".reply"), command = form.querySelector(".command");
  const made = requestOf(form), control = new AbortController();
  command.textContent = commandOf(made);
  command.hidden = stop.hidden = false;
  stop.onclick = () => control.abort();
  place.textContent = "Waiting for the reply …";
  try {
    await show(await fetch(made.url, { ...made.options, credentials: "omit", signal: control.signal }), place);
  } catch (error) {
    place.append(error.name === "AbortError" ? " Stopped." : ` The request failed: ${error.message}. Check that the server runs.`);
  } finally {
    stop.hidden = true;
  }
}

document.getElementById("tools").hidden = false;
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filter").addEventListener("input", (event) => filterRoutes(event.target.value));
for (const form of document.querySelectorAll(".try")) { form.hidden = false; form.addEventListener("submit", send); }
window.addEventListener("hashchange", openTarget);
openTarget();
