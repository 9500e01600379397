// What a page does in the browser: draw, sort, find, edit in place, stay live, change its theme.
// It reckons no amount of money: every figure that is read was written by the server. Numbers here are lengths and orders.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const charts = new Map();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Charts -------------------------------------------------------------------------------------------------------------
  const described = (data) => {
    const stacked = data.kind === "stacked";
    const grid = token("--line"), ink = token("--soft");
    return {
      type: stacked ? "bar" : "line",
      data: {
        labels: data.labels,
        datasets: data.series.map((one) => ({
          label: one.name, data: one.values, shown: one.shown,
          backgroundColor: token(`--tone-${one.tone}`), borderColor: token(`--tone-${one.tone}`),
          ...(stacked ? { maxBarThickness: 34, borderRadius: 2, stack: "all" }
            : { borderWidth: 1.8, pointRadius: one.values.filter((value) => value !== null).length < 3 ? 3 : 0, pointHoverRadius: 4, tension: 0.25, spanGaps: false }),
        })),
      },
      options: {
        responsive: true, maintainAspectRatio: false, animation: calm ? false : { duration: 250 },
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked, grid: { display: false }, border: { color: grid }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked, beginAtZero: true, suggestedMax: data.unit === " %" ? 100 : undefined, grid: { color: grid }, border: { display: false },
            ticks: { color: ink, maxTicksLimit: 5, callback: (value, _, all) => `${data.prefix}${value.toLocaleString("en-US", { minimumFractionDigits: data.prefix && all.some((tick) => tick.value % 1) ? 2 : 0 })}${data.unit}` } },
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            backgroundColor: token("--ink"), titleColor: token("--card"), bodyColor: token("--card"), footerColor: token("--card"),
            padding: 10, cornerRadius: 8, boxPadding: 4, itemSort: (a, b) => b.datasetIndex - a.datasetIndex,
            filter: (item) => !stacked || item.raw !== 0 || data.series.length === 1,
            callbacks: {
              title: (items) => items.length ? data.titles[items[0].dataIndex] : "",
              label: (item) => ` ${item.dataset.shown[item.dataIndex]}  ${data.series.length > 1 ? item.dataset.label : ""}`,
              footer: (items) => items.length && data.series.length > 1 && data.totals.length ? `${data.totals[items[0].dataIndex]}  together` : "",
            },
          },
        },
      },
    };
  };
  const draw = () => {
    if (!window.Chart) return;
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    each("script[data-chart]", (source) => {
      const canvas = document.getElementById(source.dataset.chart);
      const old = charts.get(canvas.id);
      if (old && old.canvas === canvas && old.source === source.textContent) return;
      if (old) old.chart.destroy();
      const chart = new Chart(canvas, described(JSON.parse(source.textContent)));
      charts.set(canvas.id, { chart, canvas, source: source.textContent });
    });
    each("canvas[data-spark]", (canvas) => seen.observe(canvas));
  };
  const spark = (canvas) => new Chart(canvas, {
    type: "bar",
    data: { labels: canvas.dataset.spark.split(","), datasets: [{ data: canvas.dataset.spark.split(",").map(Number), backgroundColor: token("--tone-1"), barPercentage: 0.9, categoryPercentage: 1, minBarLength: 1 }] },
    options: { responsive: false, animation: false, events: [], scales: { x: { display: false }, y: { display: false, min: 0, max: 100 } }, plugins: { legend: { display: false }, tooltip: { enabled: false } } },
  });
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    seen.unobserve(entry.target);
    if (!Chart.getChart(entry.target)) spark(entry.target);
  }), { rootMargin: "200px" });
  const redraw = () => {
    charts.forEach(({ chart }) => chart.destroy());
    charts.clear();
    each("canvas[data-spark]", (canvas) => { const old = Chart.getChart(canvas); if (old) old.destroy(); });
    draw();
  };

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
    if (cell.querySelector("button")) return;
    const edit = document.createElement("button");
    edit.type = "button"; edit.className = "edit";
    edit.setAttribute("aria-label", `Change the limit of ${cell.dataset.who}, now ${cell.textContent.trim()}`);
    edit.append(...cell.childNodes);
    cell.append(edit);
  });
  const open = (cell) => {
    const form = document.getElementById("limit-form").content.firstElementChild.cloneNode(true);
    const input = form.elements.amount_usd, before = [...cell.childNodes];
    input.value = cell.dataset.typed;
    input.setAttribute("aria-label", `Monthly limit of ${cell.dataset.who}, in dollars`);
    const close = () => { cell.replaceChildren(...before); cell.querySelector("button")?.focus(); };
    form.querySelector("[data-cancel]").addEventListener("click", close);
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await send(`/dashboard/developers/${cell.dataset.limit}/limit${suffix}`, new FormData(form));
      if (answer !== true) { form.querySelector(".problem").textContent = answer; input.setAttribute("aria-invalid", "true"); return; }
      const who = cell.dataset.limit;
      form.remove();
      await refresh();
      document.querySelector(`span.limit[data-limit="${CSS.escape(who)}"] button`)?.focus();
    });
    cell.replaceChildren(form);
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

  // Asking before what can't be undone -----------------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirm || form.dataset.sure) return;
    event.preventDefault();
    const dialog = document.createElement("dialog"), said = document.createElement("p"), line = document.createElement("div");
    const yes = document.createElement("button"), no = document.createElement("button");
    said.textContent = form.dataset.confirm; line.className = "line";
    no.textContent = "Keep it"; yes.textContent = "Revoke"; yes.className = "danger"; yes.type = no.type = "button";
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => { form.dataset.sure = "1"; dialog.close(); form.submit(); });
    dialog.addEventListener("close", () => dialog.remove());
    line.append(no, yes); dialog.append(said, line); document.body.append(dialog);
    dialog.setAttribute("aria-label", "Are you sure?");
    dialog.showModal();
  });
  each("[data-copy]", (copy) => {
    if (!navigator.clipboard) return;
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent);
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
    if (main.dataset.developer) asked.set("developer", main.dataset.developer);
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
