"""A browser for the modules that have a `server`."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from browsing import CHROMIUM
from serving import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A browser that has never been here; whatever a page asks of another host, or complains about, fails the test."""
    context = browser.new_context(base_url=server.address, reduced_motion="reduce")
    complaints: list[str] = []
    context.on(
        "request",
        lambda request: request.url.startswith((server.address, "data:", "blob:")) or complaints.append(request.url),
    )
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda message: "Content Security Policy" in message.text and complaints.append(message.text))
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page
