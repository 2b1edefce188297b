"""Makes Great Expectations' data docs readable without a network.

Its pages load styles and scripts from seven hosts. Those references are taken out and a small style sheet is put in:
the tables and verdicts stay, the sorting and collapsing of the originals goes.
"""

import re

_REMOTE = (
    re.compile(r"<script[^>]*\bsrc=\"https?://[^>]*>\s*</script>", re.IGNORECASE | re.DOTALL),
    re.compile(r"<link[^>]*\bhref=\"https?://[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(r"<img[^>]*\bsrc=\"https?://[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(r"@import url\([\"']?https?://[^)]*\);?", re.IGNORECASE),
)
_UNUSED = (".otf", ".gif", "logo-long.png")

_STYLE = """<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { border: 1px solid #ccc; padding: .25rem .5rem; text-align: left; vertical-align: top }
.modal, .collapse:not(.show), .d-none, nav button { display: none }
.text-success { color: #17803d } .text-danger { color: #b42318 }
.fa-check-circle::before { content: "✓" } .fa-times::before { content: "✗" }
</style>"""


def make_offline(html: str) -> str:
    """The page without references to other hosts that a browser would load, with a style sheet of its own."""
    for pattern in _REMOTE:
        html = pattern.sub("", html)
    return html.replace("</head>", f"{_STYLE}</head>", 1)


def is_needed(path: str) -> bool:
    """Whether a file of the site is used by its offline pages; fonts and films of the walkthrough are not."""
    return not path.endswith(_UNUSED)
