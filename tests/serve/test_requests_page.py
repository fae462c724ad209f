"""REQUESTS.md lists the fields of every body, as the code has them."""

from __future__ import annotations

from serve import requests_page
from serve.dialects.registry import DIALECTS


def test_the_page_is_what_the_code_says() -> None:
    assert requests_page.page() == requests_page.PAGE.read_text(encoding="utf-8"), "run: python -m serve.docs"


def test_every_field_and_every_other_name_stands_on_it() -> None:
    page = requests_page.page()
    for dialect in DIALECTS.values():
        for table in dialect.bodies().values():
            for name, row in table.items():
                assert all(f"`{each}`" in page for each in (name, *row.aliases))
                assert row.about, f"{name}: a phrase for the page"
