"""The report as one HTML page that needs nothing from outside: style, figures and plotly.js are in it."""

from __future__ import annotations

import html

from plotly.offline import get_plotlyjs

from offline.report.document import STATUSES, Block, Bullets, Figure, Paragraph, Report, Section, Table

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
"""The browser itself refuses to fetch anything, whatever a file has put into a name."""

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#1b1f24;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Liberation Sans",sans-serif}
main{max-width:1160px;margin:0 auto;padding:32px 24px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 4px}
h2{font-size:21px;margin:44px 0 10px;padding-top:14px;border-top:1px solid #d0d7de}
p{max-width:80ch;margin:8px 0}
li{max-width:80ch;margin:5px 0}
.sub{color:#57606a;margin:0 0 18px}
.verdict{border-left:6px solid;padding:12px 18px;margin:18px 0;background:#f6f8fa}
.verdict b{font-size:22px;margin-right:10px}
.verdict p{margin:6px 0 0}
.notice{border-left:4px solid #9a6700;padding:6px 14px;background:#fff8e5}
nav ul{columns:2 260px;padding-left:20px;margin:8px 0}
nav li{margin:0 0 5px}
nav a{color:#0b5fa5}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;margin:4px 0}
caption{caption-side:top;white-space:nowrap;text-align:left;font-weight:600;font-size:15px;padding:14px 0 6px}
th,td{padding:4px 14px 4px 0;border-bottom:1px solid #e3e6ea;text-align:left;vertical-align:top}
th{border-bottom:2px solid #57606a;font-weight:600}
.n{white-space:nowrap}
.r{text-align:right;white-space:nowrap}
.src{color:#57606a;font-size:13px;margin:2px 0 14px;max-width:none}
figure{margin:18px 0}
figcaption{font-weight:600;font-size:15px;max-width:90ch}
.good{color:#0a6640;font-weight:600}.fair{color:#7d5200;font-weight:600}.bad{color:#b01c24;font-weight:600}
.hash{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;word-break:break-all}
@media print{main{max-width:none}h2{break-after:avoid}figure,table{break-inside:avoid}}
"""
SHORT = 22
"""Characters of a cell that is never broken, so that numbers keep their unit."""

_TONES = {"GO": "good", "NO-GO": "bad"}


def to_html(report: Report) -> str:
    """The whole page; the same report always gives the same text."""
    tone = _TONES.get(report.verdict, "fair")
    toc = "".join(
        f'<li><a href="#{_anchor(n)}">{_e(s.title)}</a></li>' for n, s in enumerate(report.sections)
    )
    body = "\n".join(_section(number, section) for number, section in enumerate(report.sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_e(report.title)}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<main>
<h1>{_e(report.title)}</h1>
<p class="sub">{_e(report.subtitle)}</p>
<div class="verdict {tone}"><b>{_e(report.verdict)}</b>
<p style="color:#1b1f24;font-weight:400">{_e(report.because)}</p></div>
<nav aria-label="Contents"><ul>{toc}</ul></nav>
{body}
</main>
</body>
</html>
"""


def _section(number: int, section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{_anchor(number)}">\n<h2>{_e(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f'<p class="notice">{_e(block.text)}</p>' if block.notice else f"<p>{_e(block.text)}</p>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{_e(item)}</li>" for item in block.items) + "</ul>"
    return _figure(block) if isinstance(block, Figure) else _table(block)


def _figure(figure: Figure) -> str:
    drawn = figure.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{figure.name}",
        default_width="100%",
        default_height=f"{figure.figure.layout.height}px",
        config={"responsive": True, "displaylogo": False, "displayModeBar": False},
    )
    return (
        f"<figure>\n<figcaption>{_e(figure.caption)}</figcaption>\n{drawn}\n"
        f'<p class="src">{_e(figure.source)}</p>\n</figure>'
    )


def _table(table: Table) -> str:
    sides = ["r" if side == "r" else "l" for side in table.align]
    head = "".join(
        f'<th scope="col" class="{side}">{_e(cell)}</th>'
        for side, cell in zip(sides, table.headings, strict=True)
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell, side) for side, cell in zip(sides, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    note = f". {table.note}" if table.note else ""
    return (
        f'<div class="scroll"><table>\n<caption>{_e(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n"
        f'<tbody>\n{rows}\n</tbody>\n</table></div>\n<p class="src">{_e(table.source + note)}</p>'
    )


def _cell(cell: str, side: str) -> str:
    if side == "l":
        side = "n" if len(cell) <= SHORT else "l"
    if len(cell) == 64 and not cell.strip("0123456789abcdef"):
        side = "hash"
    return f'<td class="{side} {STATUSES.get(cell, "")}">{_e(cell)}</td>'.replace(' "', '"')


def _anchor(number: int) -> str:
    return f"section-{number + 1}"


def _e(text: str) -> str:
    return html.escape(text, quote=True)
