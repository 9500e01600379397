"""Writes figures. The only place where an amount becomes text: exact, rounded half up, never calculated with again.

A sum is shown to the cent. One call mostly costs less than that: it is shown to a hundredth of a cent. What is smaller still, and
not nothing, says so. The exact amount is in the element's title and value.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from markupsafe import Markup, escape

from app.money import NANO, usd_text

CENT, FINE = Decimal("0.01"), Decimal("0.0001")
MINUS: Final = "\u2212"
ISOLATE: Final = ("\u2068", "\u2069")
"""Unicode isolates (FSI, PDI): a right-to-left name must not reorder the text around it."""


def dollars(nanousd: int) -> str:
    """Format a sum, rounded to the cent."""
    return _dollars(nanousd, CENT)


def fine_dollars(nanousd: int) -> str:
    """Format one call's price: to a hundredth of a cent below a dollar, else to the cent; zero is `$0`."""
    if nanousd == 0:
        return "$0"
    return _dollars(nanousd, FINE if abs(nanousd) < NANO else CENT)


def money(nanousd: int | None, *, fine: bool = False, brief: bool = False) -> Markup:
    """Format an amount as an element, with the exact one in `value` (nano-dollars) and, unless `brief`, in `title`."""
    if nanousd is None:
        return Markup('<span class="quiet">no limit</span>')
    shown = (fine_dollars(nanousd) if fine else dollars(nanousd)).replace("<", "&lt;")
    exact = "" if brief else f' title="${usd_text(nanousd)}"'
    return Markup(f'<data value="{nanousd}"{exact}>{shown}</data>')  # noqa: S704 - digits and signs of ours


def typed(nanousd: int | None) -> str:
    """Format an exact amount as a person would type it into a form."""
    if nanousd is None:
        return ""
    exact = Decimal(nanousd) / NANO
    return f"{exact.quantize(CENT) if exact == exact.quantize(CENT) else exact.normalize():f}"


def count(number: int) -> str:
    return f"{number:,}"


def short_count(number: int) -> str:
    """Format a number of tokens: 940, 12.4 k, 3.1 M."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= size:
            value = Decimal(number) / size
            return f"{value.quantize(Decimal('0.1') if value < 100 else Decimal(1), ROUND_HALF_UP)} {unit}"
    return str(number)


def size(bytes_: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000 or unit == "GB":
            break
        bytes_ //= 1000
    return f"{bytes_} {unit}"


def percent(part: int, whole: int | None) -> int:
    """Return the percentage, rounded down, so that 100 means all of it. With no whole: 100 if there is a part."""
    if not whole:
        return 100 if part > 0 else 0
    return part * 100 // whole


def permille(part: int, whole: int | None) -> int:
    """Return the length of a bar, 0 to 1000."""
    return max(0, min(1000, part * 1000 // whole)) if whole else (1000 if part > 0 else 0)


def change(now: int, before: int) -> str:
    """Format how much more or less something is than before, in percent; empty where there was nothing before."""
    if not before:
        return ""
    percents = (abs(now - before) * 200 + abs(before)) // (2 * abs(before))
    sign = "+" if now > before else MINUS
    return f"{sign}{percents:,} %" if percents else "\u00b10 %"


def milliseconds(number: float) -> str:
    if number < 10:
        return f"{number:.1f} ms"
    return f"{number:.0f} ms" if number < 1000 else f"{number / 1000:.1f} s"


def day(moment: date) -> str:
    return f"{moment:%a} {moment.day} {moment:%b}"


def short_day(moment: date) -> str:
    return f"{moment.day} {moment:%b}"


def moment(at: datetime | None, zone: tzinfo, *, today: date | None = None) -> Markup:
    """Format a time in the ledger's time zone, with the exact one in the element's `datetime`."""
    if at is None:
        return Markup('<span class="quiet">no time</span>')
    local = at.astimezone(zone)
    shown = f"{local:%H:%M}" if local.date() == today else f"{short_day(local.date())}, {local:%H:%M}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}", shown
    )


def name(text: object) -> Markup:
    """Isolate a name, so that its letters' direction can't affect the text around it."""
    said = escape(text)
    return Markup(f'<bdi class="name" title="{said}">{said}</bdi>')  # noqa: S704 - escaped in the line above


def plain_name(text: str) -> str:
    """Isolate a name where no element is possible: in a label, a title, a chart."""
    return f"{ISOLATE[0]}{text}{ISOLATE[1]}"


def _dollars(nanousd: int, step: Decimal) -> str:
    sign = MINUS if nanousd < 0 else ""
    exact = Decimal(abs(nanousd)) / NANO
    shown = exact.quantize(step, ROUND_HALF_UP)
    if exact and not shown:
        return f"{sign}<${step:f}"
    return f"{sign}${shown:,f}"
