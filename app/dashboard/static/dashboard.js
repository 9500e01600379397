// What a page does in the browser: draw, sort, find, edit in place, stay live, change its theme.
// It reckons no amount of money: every figure that is read was written by the server. Numbers here are lengths and orders.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);

  // Charts -------------------------------------------------------------------------------------------------------------
  const draw = () => {
    each("script[data-chart]", (source) => {
      const axis = document.getElementById(source.dataset.axis), texts = [source.textContent, ...(axis ? [axis.textContent] : [])];
      Charts.draw(document.getElementById(source.dataset.chart), texts.join(), () => Object.assign({}, ...texts.map((text) => JSON.parse(text))));
    });
    each("canvas[data-spark]", (canvas) => seen.observe(canvas));
  };
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    seen.unobserve(entry.target);
    Charts.spark(entry.target, entry.target.dataset.spark.split(",").map(Number));
  }), { rootMargin: "200px" });
  const redraw = () => { Charts.clear(); draw(); };

  // The theme ----------------------------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const chosen = dark() ? "light" : "dark";
      document.documentElement.dataset.theme = chosen;
      try { localStorage.setItem("cairn-theme", chosen); } catch { /* it holds for this page */ }
      redraw();
    });
    system.addEventListener("change", redraw);
  }

  // Tables: sort and find ------------------------------------------------------------------------------------------------
  const worth = (cell, text) => {
    if (text) return cell.textContent.trim().toLocaleLowerCase();
    const holder = cell.dataset.value !== undefined ? cell.dataset.value : cell.querySelector("data")?.value;
    return holder === undefined ? -Infinity : Number(holder);
  };
  const sort = (table) => {
    const header = table.querySelector("th[aria-sort]");
    if (!header) return;
    const place = [...header.parentElement.children].indexOf(header), text = header.querySelector("button").dataset.sort === "text";
    const sign = header.getAttribute("aria-sort") === "ascending" ? 1 : -1, body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [worth(row.cells[place], text), row]);
    rows.sort(([a], [b]) => sign * (text ? a.localeCompare(b) : a - b));
    body.append(...rows.map(([, row]) => row));
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-sort]");
    if (!pressed) return;
    const header = pressed.closest("th"), table = pressed.closest("table"), was = header.getAttribute("aria-sort");
    each("th[aria-sort]", (other) => other.removeAttribute("aria-sort"), table);
    header.setAttribute("aria-sort", was === "descending" || (!was && pressed.dataset.sort === "text") ? "ascending" : "descending");
    sort(table);
  });
  const complete = () => {
    const rest = document.getElementById("people-rest"), body = document.getElementById("people-rows");
    if (!rest) return;
    each("tr[data-rest]", (row) => row.remove(), body);
    const rows = rest.content.cloneNode(true);
    each("tr", (row) => { row.dataset.rest = "1"; }, rows);
    body.append(rows);
  };
  const filter = document.querySelector("[data-filter]");
  const find = () => {
    if (!filter) return;
    const table = document.getElementById(filter.dataset.filter), wanted = filter.value.trim().toLocaleLowerCase();
    let left = 0;
    [...table.tBodies[0].rows].forEach((row) => {
      row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
      left += row.hidden ? 0 : 1;
    });
    document.getElementById("people-none").hidden = left > 0;
  };
  if (filter) { filter.hidden = false; filter.addEventListener("input", find); }
  each("[data-hide]", (spare) => { spare.hidden = true; });
  each("[data-submit]", (chooser) => chooser.addEventListener("change", () => chooser.form.submit()));

  const whole = () => {
    if (!document.querySelector("#people-rows form.inline")) complete();
    offer();
    each("table[data-sortable]", sort);
    find();
    draw();
  };

  // Limits, in place -------------------------------------------------------------------------------------------------------
  const query = new URLSearchParams(location.search).get("team");
  const suffix = query ? `?team=${encodeURIComponent(query)}` : "";
  const offer = () => each("span.limit", (cell) => {
    if (cell.querySelector("button") || !document.getElementById("limit-form")) return;
    const edit = document.createElement("button");
    edit.type = "button"; edit.className = "edit";
    edit.setAttribute("aria-label", `Change the limit of ${cell.dataset.who}, now ${cell.textContent.trim()}`);
    edit.append(...cell.childNodes);
    cell.append(edit);
  });
  const open = (cell) => {
    const form = document.getElementById("limit-form").content.firstElementChild.cloneNode(true);
    const input = form.elements.amount_usd;
    input.value = cell.dataset.typed;
    input.setAttribute("aria-label", `Monthly limit of ${cell.dataset.who}, in dollars`);
    // Over its cell, which stays as wide as it was: nothing on the page moves.
    const place = () => {
      const box = cell.getBoundingClientRect();
      form.style.right = `${Math.max(8, Math.min(document.documentElement.clientWidth - box.right, document.documentElement.clientWidth - form.offsetWidth - 8))}px`;
      form.style.top = `${box.top + box.height / 2 - form.elements.amount_usd.offsetHeight / 2 - 6}px`;
    };
    const gone = new AbortController();
    const close = () => { gone.abort(); form.remove(); cell.classList.remove("open"); cell.querySelector("button")?.focus(); };
    form.querySelector("[data-cancel]").addEventListener("click", close);
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await send(`/dashboard/developers/${cell.dataset.limit}/limit${suffix}`, new FormData(form));
      if (answer !== true) { form.querySelector(".problem").textContent = answer; input.setAttribute("aria-invalid", "true"); return; }
      const who = cell.dataset.limit;
      close();
      await refresh();
      document.querySelector(`span.limit[data-limit="${CSS.escape(who)}"] button`)?.focus();
    });
    cell.classList.add("open");
    cell.append(form);
    place();
    addEventListener("scroll", place, { capture: true, passive: true, signal: gone.signal });
    addEventListener("resize", place, { signal: gone.signal });
    input.select();
  };
  document.addEventListener("click", (event) => {
    const edit = event.target.closest("button.edit");
    if (edit) open(edit.parentElement);
  });
  const send = async (url, form) => {
    try {
      const answer = await fetch(url, { method: "POST", body: new URLSearchParams(form), headers: { "x-csrf": form.get("csrf") }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.ok) return true;
      return (await answer.json()).error.message;
    } catch { return "The server didn't answer. Try again."; }
  };

  // A form that is on its way is sent once -------------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.classList.contains("inline")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 5000);  // it may have been stopped
  });
  addEventListener("pageshow", () => each("form[data-sent]", (form) => { delete form.dataset.sent; }));
  each("[data-copy]", (copy) => {
    if (!navigator.clipboard) return;
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      const from = document.getElementById(copy.dataset.copy);
      await navigator.clipboard.writeText(from.value ?? from.textContent);
      copy.textContent = "Copied";
    });
  });

  // Live: the server says that something changed, and the page asks for itself -------------------------------------------------
  const busy = (region) => region.querySelector("form.inline") !== null;
  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.redirected || !answer.ok) { if (answer.redirected) location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.dataset.mark = fresh.getElementById("main").dataset.mark;
    const held = document.activeElement?.id;
    if ([...fresh.querySelectorAll("[data-live]")].some((one) => !document.getElementById(one.id))) { location.reload(); return; }
    each("[data-live]", (region) => {
      const next = fresh.getElementById(region.id);
      if (busy(region)) return;
      if (!next) { region.remove(); return; }
      if (next.innerHTML === region.dataset.was || next.innerHTML === region.innerHTML) return;
      const opened = [...region.querySelectorAll("details")].map((one) => one.open);
      const was = next.innerHTML;
      const taken = document.adoptNode(next);
      taken.classList.add("again");
      region.replaceWith(taken);
      taken.dataset.was = was;
      taken.querySelectorAll("details").forEach((one, place) => { one.open = Boolean(opened[place]); });
    });
    if (held) document.getElementById(held)?.focus({ preventScroll: true });
    whole();
  };
  const dot = document.getElementById("live");
  const say = (state, text) => {
    if (!dot || (!dot.hidden && dot.dataset.state === state)) return;
    dot.hidden = false; dot.dataset.state = state; dot.textContent = text;
  };
  let stream = null, again = null;
  const listen = () => {
    if (!main.dataset.of || stream || document.hidden) return;
    const asked = new URLSearchParams({ of: main.dataset.of, since: main.dataset.mark });
    for (const part of ["developer", "project"]) if (main.dataset[part]) asked.set(part, main.dataset[part]);
    if (query) asked.set("team", query);
    stream = new EventSource(`/dashboard/live?${asked}`);
    stream.addEventListener("open", () => say("on", "live"));
    stream.addEventListener("changed", () => refresh().catch(() => say("off", "waiting for the server")));
    stream.addEventListener("ended", () => { leave(); location.reload(); });
    stream.addEventListener("error", () => {
      say("off", "not live");
      if (stream && stream.readyState === EventSource.CLOSED) { leave(); again = setTimeout(listen, 10000); }
    });
  };
  const leave = () => { clearTimeout(again); stream?.close(); stream = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen);

  draw();
  offer();
  requestAnimationFrame(() => setTimeout(whole));
  document.querySelector("#cited")?.scrollIntoView({ block: "center" });
})();
