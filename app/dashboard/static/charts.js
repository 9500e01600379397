// Draws stacked bars and lines on a canvas, and what the pointer is over beside it. Texts of money come written from the server.
window.Charts = (() => {
  "use strict";
  const MAX_TICKS = 5, MAX_BAR = 34, EDGE = 8;
  const shown = new Map();
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const tone = (series) => token(`--tone-${series.tone}`);
  const font = () => `${0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize)}px ${getComputedStyle(document.body).fontFamily}`;

  // A canvas' context at the screen's own resolution.
  const context = (canvas, width, height) => {
    const scale = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
    canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    return pen;
  };

  // Round values from low to high: 1, 2, 2.5 or 5 times a power of ten apart.
  const ticks = (low, high) => {
    const rough = (high - low || 1) / (MAX_TICKS - 1), power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((each) => each * power >= rough * 0.999);
    const found = [];
    for (let place = Math.floor(low / step); place * step < high + step * 0.999; place += 1) found.push(+(place * step).toPrecision(12));
    return found;
  };

  class Chart {
    constructor(canvas, data) {
      this.canvas = canvas; this.data = data; this.over = null;
      this.tip = document.createElement("div");
      this.tip.className = "tip"; this.tip.hidden = true; this.tip.setAttribute("aria-hidden", "true");
      canvas.parentElement.append(this.tip);
      this.gone = new AbortController();
      const listening = { signal: this.gone.signal };
      for (const kind of ["pointermove", "pointerdown"]) canvas.addEventListener(kind, (event) => this.point(event.offsetX), listening);
      canvas.addEventListener("pointerleave", () => this.point(null), listening);
      this.sizes = new ResizeObserver(() => this.draw());
      this.sizes.observe(canvas.parentElement);
      this.draw();
    }

    destroy() { this.sizes.disconnect(); this.gone.abort(); this.tip.remove(); }

    get stacked() { return this.data.kind === "stacked"; }

    draw() {
      const { data, canvas } = this, width = canvas.parentElement.clientWidth, height = canvas.parentElement.clientHeight;
      if (!width || !height) return;
      const pen = this.pen = context(canvas, width, height);
      pen.font = font();
      const steps = ticks(...this.range()), line = parseFloat(pen.font);
      const fraction = data.prefix && steps.some((each) => each % 1) ? 2 : 0;
      const words = steps.map((each) => `${data.prefix}${each.toLocaleString("en-US", { minimumFractionDigits: fraction })}${data.unit}`);
      const left = Math.ceil(Math.max(...words.map((each) => pen.measureText(each).width))) + EDGE;
      this.box = { left, right: width - EDGE, top: line / 2, bottom: height - 2 * line, low: steps[0], high: steps.at(-1) };
      this.grid(steps, words, line);
      if (this.stacked) this.bars(); else data.series.forEach((series) => this.line(series));
    }

    // The lowest and the highest value: of whole columns where bars are stacked.
    range() {
      const { data } = this, values = data.series.map((each) => each.values);
      let low = 0, high = data.unit === " %" ? 100 : 0;
      data.labels.forEach((_, place) => {
        const column = values.map((each) => each[place] ?? 0), sum = (list) => list.reduce((whole, each) => whole + each, 0);
        low = Math.min(low, this.stacked ? sum(column.filter((each) => each < 0)) : Math.min(...column));
        high = Math.max(high, this.stacked ? sum(column.filter((each) => each > 0)) : Math.max(...column));
      });
      return [low, high || 1];
    }

    x(place) {
      const { left, right } = this.box, count = this.data.labels.length;
      return this.stacked || count === 1 ? left + ((right - left) * (place + 0.5)) / count : left + ((right - left) * place) / (count - 1);
    }

    y(value) { const { top, bottom, low, high } = this.box; return bottom - ((value - low) / (high - low)) * (bottom - top); }

    grid(steps, words, line) {
      const { pen, box, data } = this, soft = token("--soft");
      pen.strokeStyle = token("--line"); pen.fillStyle = soft; pen.lineWidth = 1; pen.textAlign = "right"; pen.textBaseline = "middle";
      steps.forEach((each, place) => {
        const y = Math.round(this.y(each)) + 0.5;
        pen.beginPath(); pen.moveTo(box.left, y); pen.lineTo(box.right, y); pen.stroke();
        pen.fillText(words[place], box.left - EDGE / 2, y);
      });
      const wide = Math.max(...data.labels.map((each) => pen.measureText(each).width)) + 2 * EDGE;
      const every = Math.max(1, Math.ceil((wide * data.labels.length) / (box.right - box.left)));
      pen.textAlign = "center"; pen.textBaseline = "top";
      data.labels.forEach((label, place) => {
        const half = pen.measureText(label).width / 2;
        if (place % every === 0) pen.fillText(label, Math.min(Math.max(this.x(place), half), box.right + EDGE - half), box.bottom + 0.85 * line);
      });
    }

    bars() {
      const { pen, box, data } = this, wide = Math.max(1, Math.min(MAX_BAR, ((box.right - box.left) / data.labels.length) * 0.8));
      data.labels.forEach((_, place) => {
        let above = 0, below = 0;
        data.series.forEach((series) => {
          const value = series.values[place] ?? 0, from = value < 0 ? below : above;
          if (value < 0) below += value; else above += value;
          const top = this.y(Math.max(from, from + value)), end = this.y(Math.min(from, from + value));
          pen.fillStyle = tone(series);
          pen.fillRect(this.x(place) - wide / 2, top, wide, end - top);
        });
      });
    }

    // A line with a gap where nothing was measured; a value that stands alone is a point.
    line(series) {
      const { pen } = this, { values } = series, there = (place) => values[place] !== null && values[place] !== undefined;
      pen.strokeStyle = pen.fillStyle = tone(series); pen.lineWidth = 1.8; pen.lineJoin = "round";
      pen.beginPath();
      values.forEach((value, place) => {
        if (there(place)) pen[there(place - 1) ? "lineTo" : "moveTo"](this.x(place), this.y(value));
      });
      pen.stroke();
      values.forEach((value, place) => {
        if (there(place) && ((!there(place - 1) && !there(place + 1)) || place === this.over)) this.dot(place, value);
      });
    }

    dot(place, value) { this.pen.beginPath(); this.pen.arc(this.x(place), this.y(value), 3.5, 0, 2 * Math.PI); this.pen.fill(); }

    // Tell the figures of the column that is nearest to the pointer.
    point(at) {
      const { data, box } = this, count = data.labels.length;
      if (at === null || !box) { this.over = null; this.tip.hidden = true; this.draw(); return; }
      const share = (at - box.left) / (box.right - box.left), place = this.stacked ? Math.floor(share * count) : Math.round(share * (count - 1));
      this.over = Math.max(0, Math.min(count - 1, place));
      this.draw();
      this.tell(this.over);
    }

    tell(place) {
      const { data, tip, box } = this, many = data.series.length > 1;
      const head = document.createElement("b");
      head.textContent = data.titles[place];
      const rows = [...data.series].reverse().filter((each) => !this.stacked || !many || each.values[place]).map((series) => {
        const row = document.createElement("span"), colour = document.createElement("i");
        colour.className = `tone-${series.tone}`;
        row.append(colour, many ? `${this.written(series, place)}  ${series.name}` : this.written(series, place));
        return row;
      });
      const foot = document.createElement("b");
      if (many && data.totals.length) foot.textContent = `${data.totals[place]}  total`;
      tip.replaceChildren(head, ...rows, foot);
      tip.hidden = false;
      const x = this.x(place), before = x > (box.left + box.right) / 2, room = tip.parentElement.clientWidth - tip.offsetWidth;
      tip.style.left = `${Math.max(0, Math.min(room, before ? x - tip.offsetWidth - 2 * EDGE : x + 2 * EDGE))}px`;
    }

    // Lines, which are never money, come without their texts.
    written(series, place) {
      if (series.shown) return series.shown[place];
      const value = series.values[place];
      return value === null ? "–" : `${value.toLocaleString("en-US", { maximumSignificantDigits: 10 })}${this.data.unit}`;
    }
  }

  // Bars of 0 to 100, as high as a line of text.
  const spark = (canvas, values) => {
    const width = canvas.clientWidth, height = canvas.clientHeight, pen = context(canvas, width, height);
    pen.fillStyle = token("--tone-1");
    values.forEach((value, place) => {
      const tall = Math.max(1, (height * value) / 100);
      pen.fillRect((place * width) / values.length, height - tall, (0.9 * width) / values.length, tall);
    });
  };

  return {
    // Draw `data` on a canvas, unless it is there already. `source`: what it was read from, to tell.
    draw: (canvas, source, data) => {
      const old = shown.get(canvas.id);
      if (old && old.chart.canvas === canvas && old.source === source) return;
      if (old) old.chart.destroy();
      shown.set(canvas.id, { chart: new Chart(canvas, data()), source });
    },
    of: (id) => shown.get(id)?.chart,
    clear: () => { shown.forEach(({ chart }) => chart.destroy()); shown.clear(); },
    spark,
  };
})();
