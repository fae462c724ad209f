"""The pages that follow from the code: `python -m serve.docs` writes them."""

from __future__ import annotations

from serve import variables_page


def main() -> None:
    """Write the pages anew."""
    variables_page.PAGE.write_text(variables_page.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
