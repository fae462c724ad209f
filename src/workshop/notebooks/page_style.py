"""How the report looks: light and dark as the reader's system is, nothing wider than the page."""

PAGE_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de;
  --code: #f6f8fa; --accent: #0969da; --bad: #b00020; --good: #116329; --mono: ui-monospace, "D2Coding",
  "Noto Sans Mono CJK KR", "NanumGothicCoding", monospace; }
body { font: 16px/1.65 system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "NanumGothic",
  sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1.25rem; color: var(--ink);
  background: var(--paper); word-break: keep-all; overflow-wrap: break-word; }
a { color: var(--accent); }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
.news-frame table { font-size: 13px; line-height: 1.5; }
.news-frame th, .news-frame td { padding: .25rem .45rem; }
.figure { text-align: right; font-variant-numeric: tabular-nums; }
nav td.figure { white-space: nowrap; }
pre, code { font-family: var(--mono); font-size: 13px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; padding: .6rem .8rem; margin: .4rem 0;
  border-radius: 6px; word-break: normal; }
pre.columns { white-space: pre; overflow-x: auto; font-size: 12px; }
.input_area pre { background: var(--code); }
.output_area { margin: .3rem 0; }
.output_area > div > pre, .output_area pre.shown { padding: .2rem .8rem; }
.output_stderr, .output_area pre.stderr { color: var(--soft); }
details > summary { cursor: pointer; color: var(--accent); }
details.long > summary { color: inherit; padding: .2rem .8rem; overflow-wrap: anywhere;
  font: 13px/1.5 var(--mono); }
details.long[open] > summary span { display: none; }
.more { color: var(--accent); }
.prompt { display: none; }
img { max-width: 100%; height: auto; }
.output_area img { background: #fff; border-radius: 6px; }
blockquote { margin: 0 0 1rem; padding-left: 1rem; border-left: 4px solid var(--line); color: var(--soft); }
section { border-top: 3px solid var(--accent); margin-top: 3rem; }
.failed { color: var(--bad); font-weight: 600; } .none { color: var(--soft); }
.progress { display: flex; gap: .8rem; align-items: center; font-size: 14px; margin: .2rem .8rem; }
.progress i { flex: none; width: 10rem; height: 8px; border-radius: 4px; background: rgba(128,128,128,.25);
  overflow: hidden; }
.progress b { display: block; height: 100%; background: #009e73; }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--bad); } .ansi-bold { font-weight: 700; }
.ansi-green-fg, .ansi-green-intense-fg { color: var(--good); }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dfe3e8; --paper: #14171b; --soft: #a3abb5; --line: #3d444d; --code: #1e2329;
    --accent: #6cb2ff; --bad: #ff8a94; --good: #6fd08c; }
  .output_area img { filter: brightness(.92); }
}
.korean-only { position: sticky; top: .5rem; float: right; z-index: 1; padding: .1rem .7rem; cursor: pointer;
  border: 1px solid var(--accent); border-radius: 6px; background: var(--paper); font-size: 14px; }
#korean-only { position: fixed; top: .8rem; right: 1rem; opacity: 0; }
#korean-only:focus-visible + label { outline: 2px solid var(--accent); outline-offset: 2px; }
#korean-only:checked + label { background: var(--accent); color: var(--paper); }
#korean-only:checked ~ blockquote,
#korean-only:checked ~ section .text_cell_render blockquote { display: none; }
@media print { details > :not(summary) { display: block; } .korean-only { display: none; } }
"""


def page_style() -> str:
    """Return the page's CSS, with the colours of code for a light and for a dark ground."""
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    # Of a style's own ground nothing is taken: the page has one.
    grounds = "\n.highlight { background: none; }\n"
    return f"{PAGE_STYLE}{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}{grounds}"
