"""The frame that all pages share: head and style.

A page is HTML and well-formed XML at the same time, as DALI requires of examples (DALI 1.1 section 2.3).
"""

from __future__ import annotations

from html import escape

_PAGE = """<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>
* {{ box-sizing: border-box; }}
:root {{ color-scheme: light dark; --text: #1b1f24; --back: #fff; --box: #f3f4f6; --line: #d8dce1; --link: #0b57a4;
  --small: #57606a; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e6e8ea; --back: #14171a; --box: #22272c; --line: #3a4047; --link: #7ab7ff; --small: #9aa4ad; }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--back); }}
h1, h2 {{ line-height: 1.2; }}
pre, code, textarea {{ font: 14px/1.4 ui-monospace, monospace; background: var(--box); border-radius: 4px; }}
pre {{ padding: .8rem; overflow-x: auto; }}
code {{ padding: 0 .2rem; overflow-wrap: anywhere; }}
pre code {{ padding: 0; }}
h1 code {{ font-size: inherit; }}
textarea {{ width: 100%; padding: .6rem; border: 1px solid var(--line); color: inherit; }}
button, select {{ font: inherit; padding: .1rem .6rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
td:first-child code {{ white-space: nowrap; }}
.number {{ text-align: right; }}
a {{ color: var(--link); }}
.small {{ color: var(--small); font-size: 14px; }}
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def render_page(title: str, body: str, style: str = "") -> str:
    """Return a page; `body` and `style` are inserted unescaped."""
    return _PAGE.format(title=escape(title), body=body, style=style)
