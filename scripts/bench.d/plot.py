# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bar for each median, with a line from the least to the most that was seen: an SVG without scripts."""

from xml.sax.saxutils import escape

ROW, LABEL, BAR, VALUE, TOP = 26, 250, 420, 70, 46
COLOURS = {"ours": "#1f6feb", "limit": "#8b949e", "other": "#d29922"}
# Light or dark, as the reader's system is.
STYLE = """<style>:root { --back: #fff; --ink: #24292f; --dim: #57606a }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --ink: #e6e8eb; --dim: #9aa4af } }
text { fill: var(--ink) } .dim { fill: var(--dim) } .back { fill: var(--back) } path { stroke: var(--ink) }</style>"""


def svg(title, unit, rows):
    """rows: (label, kind of COLOURS, samples); those without samples are left out."""
    rows = [(label, kind, sorted(s)) for label, kind, s in rows if s]
    most = max((s[-1] for _, _, s in rows), default=1) or 1
    width, height = LABEL + BAR + VALUE, TOP + ROW * len(rows) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="13" role="img">',
        STYLE,
        f'<rect class="back" width="{width}" height="{height}"/>',
        f'<text x="10" y="20" font-size="15">{escape(title)}</text>',
        f'<text class="dim" x="10" y="37">{escape(unit)}</text>',
    ]
    for i, (label, kind, s) in enumerate(rows):
        y = TOP + ROW * i
        median = s[len(s) // 2] if len(s) % 2 else (s[len(s) // 2 - 1] + s[len(s) // 2]) / 2
        scale = BAR / most
        out.append(f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(label)}</text>')
        out.append(
            f'<rect x="{LABEL}" y="{y + 3}" width="{max(median * scale, 1):.1f}" height="{ROW - 8}"'
            f' fill="{COLOURS[kind]}"/>'
        )
        out.append(
            f'<path d="M{LABEL + s[0] * scale:.1f} {y + 12}H{LABEL + s[-1] * scale:.1f}"'
            ' stroke-width="2"/>'
        )
        out.append(f'<text x="{LABEL + s[-1] * scale + 6:.1f}" y="{y + 16}">{median:.1f}</text>')
    return "\n".join(out + ["</svg>", ""])
