"""Bars side by side, as SVG: a panel a row, each with a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH = 960
COLUMNS = 2
GAP = 24
TITLE_HEIGHT = 34
HEADING = 22
BAR = 14
BAR_STEP = 19
LABEL_WIDTH = 128
VALUE_WIDTH = 46
OURS, THEIRS, TARGET, INK = "#0b6e6e", "#b9c2c9", "#c0392b", "#24313a"


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    bars: list[Bar]
    target: float | None

    @property
    def height(self) -> int:
        return HEADING + BAR_STEP * len(self.bars) + GAP


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _panel(panel: Panel, left: float, top: float, width: float) -> list[str]:
    most = max([bar.value for bar in panel.bars] + ([panel.target] if panel.target else []))
    room = width - LABEL_WIDTH - VALUE_WIDTH
    begin = left + LABEL_WIDTH
    drawn = [_text(left, top + 12, panel.title, 'font-weight="600"')]
    for number, bar in enumerate(panel.bars):
        y = top + HEADING + BAR_STEP * number
        size = max(1.0, room * bar.value / most)
        color = OURS if bar.is_ours else THEIRS
        value = f"{bar.value:.1f}" if bar.value >= 10 else f"{bar.value:.2f}"
        drawn += [
            _text(begin - 6, y + 11, bar.label, 'text-anchor="end"'),
            f'<rect x="{begin:.1f}" y="{y}" width="{size:.1f}" height="{BAR}" fill="{color}"/>',
            _text(begin + size + 4, y + 11, value),
        ]
    if panel.target:
        x = begin + room * panel.target / most
        bottom = top + HEADING + BAR_STEP * len(panel.bars)
        drawn.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEADING - 4}" y2="{bottom}" '
            f'stroke="{TARGET}" stroke-dasharray="3 2"/>'
        )
    return drawn


def plot(title: str, panels: list[Panel]) -> str:
    """The whole picture; a dashed line is a target."""
    width = (WIDTH - GAP * (COLUMNS + 1)) / COLUMNS
    drawn: list[str] = []
    tops = [float(TITLE_HEIGHT)] * COLUMNS
    for panel in panels:
        column = tops.index(min(tops))
        drawn += _panel(panel, GAP + column * (width + GAP), tops[column], width)
        tops[column] += panel.height
    height = max(tops)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'font-family="sans-serif" font-size="11" fill="{INK}">',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            _text(GAP, 20, title, 'font-size="14" font-weight="600"'),
            *drawn,
            "</svg>\n",
        ]
    )
