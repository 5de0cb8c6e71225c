"""A page as a reader sees it: a headless browser that may load one file and nothing else."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 10_000
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Opened:
    """A page in a browser, and everything that it said or asked for."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.path = page, path
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(path.resolve().as_uri())
        page.wait_for_selector(".explorer .rows tbody tr")

    def explorer(self, name: str) -> "Shown":
        return Shown(self.page, self.page.locator(f'.explorer[data-rows="{name}-data"]'))

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def check_quiet(self) -> None:
        """Nothing was complained about, and nothing but the file was loaded."""
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("data:", "blob:"))] == [
            self.path.resolve().as_uri()
        ]


class Shown:
    """One table of rows."""

    def __init__(self, page: Any, root: Any) -> None:
        self.page, self.root = page, root

    def head(self, heading: str) -> Any:
        named = self.page.get_by_role("button", name=heading, exact=True)
        return self.root.locator("thead th").filter(has=named)

    def headings(self) -> list[str]:
        return [text.strip() for text in self.root.locator("thead th").all_inner_texts()]

    def column(self, heading: str) -> list[str]:
        at = self.headings().index(heading) + 1
        return self.root.locator(f"tbody tr:not(.gap) > :nth-child({at})").all_inner_texts()

    def sort(self, heading: str) -> str:
        self.head(heading).get_by_role("button").click()
        return self.head(heading).get_attribute("aria-sort")

    def menu(self, title: str) -> Any:
        """The opened list below a button."""
        menu = self.root.locator("details.menu").filter(
            has=self.page.locator("summary > span:first-child").get_by_text(title, exact=True)
        )
        if menu.get_attribute("open") is None:
            menu.locator("summary").click()
        return menu

    @property
    def count(self) -> str:
        return self.root.locator("output").inner_text().replace("\u202f", "")


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()
