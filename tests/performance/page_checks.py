"""Checks of one page that a browser shows: accessible, light, whole at its width, quiet, and of this host alone. Knows no address."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Response

from tests.signing_in import fill_in_key

MAX_BYTES: Final = 150_000
"""Of a page with its style, scripts and all else that it loads, unpacked: as a first visit takes in."""
TABS: Final = 25
"""Elements that are walked through with the keyboard."""
PATIENCE_MS: Final = 180_000
"""A page that takes long on a busy machine is no broken one."""
AXE_RULES: Final = {"rules": {"target-size": {"enabled": True}}}
"""Beside the usual rules: what is pressed is 24 px high and wide, or has as much room around it."""

STRUCTURE: Final = """() => {
  const missing = [];
  if (!document.title.trim()) missing.push("no title");
  if (!document.documentElement.lang) missing.push("no lang");
  if (document.querySelectorAll("h1").length !== 1) missing.push(`${document.querySelectorAll("h1").length} h1`);
  if (!document.querySelector('meta[name="viewport"][content*="width=device-width"]')) missing.push("no meta viewport");
  if (!document.querySelector("main")) missing.push("no main");
  return missing;
}"""
OVERFLOW: Final = """() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const wide = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
  const deepest = wide.filter((one) => !wide.some((other) => other !== one && one.contains(other))).slice(0, 3);
  return [`wider than the window by ${document.documentElement.scrollWidth - innerWidth} px: ` + deepest.map((one) =>
    `${one.tagName.toLowerCase()}.${one.className} "${one.textContent.trim().slice(0, 30)}"`).join(", ")];
}"""
CLIPPED: Final = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  if (one.closest(".hidden, svg, canvas, template") || !["hidden", "clip"].includes(style.overflowX) || !one.textContent.trim()) return false;
  if (style.textOverflow === "ellipsis") return one.scrollWidth > one.clientWidth + 1 && !one.title && !one.querySelector("[title]");
  return one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1;
}).slice(0, 3).map((one) => `text is clipped in ${one.tagName.toLowerCase()}.${one.className} "${one.textContent.trim().slice(0, 30)}"`)"""
BROKEN: Final = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (walker.nextNode() && found.length < 3) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!parent || parent.closest("code, pre, script, style, template, noscript, .hidden, option, textarea") || !parent.checkVisibility()) continue;
    for (const word of node.data.matchAll(/[\\p{Script=Latin}\\p{Script=Arabic}\\p{Script=Cyrillic}]{4,24}/gu)) {
      if (/[\\w/.:-]/.test(node.data[word.index - 1] || " ") || /[\\w/.:-]/.test(node.data[word.index + word[0].length] || " ")) continue;
      range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top / 4)));
      if (lines.size > 1) found.push(`"${word[0]}" is broken in ${parent.tagName.toLowerCase()}.${parent.className}`);
    }
  }
  return found;
}"""
WEIGHT: Final = """() => {
  const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return ["encodedBodySize", "decodedBodySize"].map((size) => all.reduce((whole, one) => whole + one[size], 0));
}"""
PAINT: Final = """() => new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime)).observe({ type: "largest-contentful-paint", buffered: true });
  setTimeout(() => done(null), 500);
})"""
FOCUS: Final = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  if (one === document.body) return null;
  const seen = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  return seen ? "" : `focus can't be seen on ${one.tagName.toLowerCase()}.${one.className} "${one.textContent.trim().slice(0, 30)}"`;
}"""


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is opened."""

    width: int = 1280
    dark: bool = False
    script: bool = True

    def __str__(self) -> str:
        return f"{self.width} px, {'dark' if self.dark else 'light'}{'' if self.script else ', no script'}"


@dataclass(slots=True)
class Checked:
    """What was found of a page in one look. `sent`, `unpacked`: bytes of all that it loads."""

    path: str
    look: Look
    misses: list[str] = field(default_factory=list)
    sent: int = 0
    unpacked: int = 0
    paint_ms: float | None = None


class PageChecker:
    """A browser window, signed in where a key is given, that opens pages and checks them."""

    def __init__(self, url: str, look: Look, page: Page) -> None:
        self.url, self.look, self.page = url, look, page
        self._said: list[str] = []
        host = urlsplit(url).netloc
        page.on("console", lambda message: self._said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self._said.append(str(error)))
        page.on("request", lambda sent: self._said.append(f"asks {sent.url}") if urlsplit(sent.url).netloc not in {host, ""} else None)

    @classmethod
    async def open(cls, browser: Browser, url: str, look: Look, key: str | None) -> PageChecker:
        """Open a window of its own, and sign in with the form as a person does."""
        context = await browser.new_context(
            viewport={"width": look.width, "height": 900},
            color_scheme="dark" if look.dark else "light",
            reduced_motion="reduce",
            java_script_enabled=look.script,
        )
        context.set_default_timeout(PATIENCE_MS)
        made = cls(url, look, await context.new_page())
        if key is not None:
            await fill_in_key(made.page, made, key)
            await made.page.wait_for_load_state()
        return made

    async def close(self) -> None:
        await self.page.context.close()

    async def check(self, path: str, *, status: int = 200) -> Checked:
        """Open a page and note all that is missing, broken or too heavy."""
        found = Checked(path, self.look)
        self._said.clear()
        response = await self.page.goto(self.url + path)
        if status != 200:
            self._said = [each for each in self._said if "Failed to load resource" not in each]  # the browser logs what was asked for
        found.misses += _status(response, status)
        found.misses += [f"the console says: {each}" for each in self._said]
        if self.look.script:
            found.sent, found.unpacked = await self.page.evaluate(WEIGHT)
            found.paint_ms = await self.page.evaluate(PAINT)
            found.misses += _weight(found)
        await self.page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for probe in (STRUCTURE, OVERFLOW, CLIPPED, BROKEN):
            found.misses += await self.page.evaluate(probe)
        if self.look.script:
            found.misses += await violations(self.page)
            found.misses += await _focus(self.page)
        return found


def _status(response: Response | None, status: int) -> list[str]:
    told = None if response is None else response.status
    return [] if told == status else [f"answers {told}, not {status}"]


def _weight(found: Checked) -> list[str]:
    return [f"weighs {found.unpacked / 1000:.0f} kB, {found.sent / 1000:.0f} as sent"] if found.unpacked > MAX_BYTES else []


async def violations(page: Page) -> list[str]:
    """Return axe's violations, of whatever impact."""
    found: dict[str, Any] = (await Axe().run(page, options={"resultTypes": ["violations"], **AXE_RULES})).response
    return [f"axe: {each['id']} at {json.dumps(node['target'])}" for each in found["violations"] for node in each["nodes"][:2]]


async def named_violations(page: Page, name: str) -> list[str]:
    """Return axe's violations, each with the name of its page."""
    return [f"{name}: {each}" for each in await violations(page)]


async def _focus(page: Page) -> list[str]:
    """Walk through the page with the keyboard: wherever it is, that can be seen."""
    misses = []
    await page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    for _ in range(TABS):
        await page.keyboard.press("Tab")
        told = await page.evaluate(FOCUS)
        if told is None:
            break
        misses += [told] if told else []
    return misses
