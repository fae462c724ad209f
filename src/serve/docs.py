"""The pages that follow from the code: `python -m serve.docs` writes them."""

from __future__ import annotations

from serve import requests_page, variables_page


def main() -> None:
    """Write the pages anew."""
    for each in (variables_page, requests_page):
        each.PAGE.write_text(each.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
