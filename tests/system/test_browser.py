"""What a person sees in a browser: sign in, find the server, open JupyterLab."""

import pytest

from tests.conftest import missing
from tests.system.browser import CHROMIUM, browser
from tests.system.platform import SIGN_IN

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]

CELL = "import pandas as pd\n\npd.DataFrame({'n': range(5), 'squared': [n * n for n in range(5)]})"


@pytest.fixture
def page(tmp_path):
    if not CHROMIUM.exists():
        missing("chromium", f"{CHROMIUM} is not there")
    with browser(tmp_path) as page:
        yield page


def text_of(page, selector):
    return page.wait_for(f"document.querySelector('{selector}')?.innerText")


def test_from_the_sign_in_link_to_jupyterlab(page, platform, tmp_path):
    client = platform.client()
    workspace = client.create("first")
    client.start(workspace)
    idle = client.create("second")

    page.open(platform.says(SIGN_IN))
    page.click("form[action='/sign-in'] button")
    page.wait_for("location.pathname == '/'")
    assert "admin (admin)" in text_of(page, "header")
    rows = text_of(page, "table")
    assert "first" in rows
    assert "running" in rows
    assert "second" in rows
    assert "stopped" in rows
    assert 1 == page.read("document.querySelectorAll('td a').length")
    assert f"SATURN_BASE_URL={platform.url}" in text_of(page, "pre")
    assert "" == page.read("document.cookie"), "scripts must not see the session"
    page.screenshot(tmp_path / "home.png")

    page.click("td a")
    page.wait_for("document.querySelector('.jp-LauncherCard') != null")
    assert "JupyterLab" in page.read("document.title")
    assert client.show(workspace)["url"].startswith(page.read("location.origin"))
    assert "token" not in page.read("location.href")
    page.click(".jp-LauncherCard[data-category='Notebook']")
    page.wait_for("document.querySelector('#jp-main-statusbar').innerText.includes(') | Idle')")
    page.wait_for("document.activeElement.closest('.jp-CodeCell') != null")
    page.type(CELL)
    page.press_shift_enter()
    page.wait_for("document.querySelector('.jp-NotebookPanel .jp-OutputArea table') != null")
    page.screenshot(tmp_path / "jupyterlab.png")
    for each in (workspace, idle):
        client.delete(each)


def test_a_used_sign_in_link_says_what_to_do(page, platform):
    link = platform.says(SIGN_IN)
    for _ in range(2):
        page.open(link)
        page.click("form[action='/sign-in'] button")
        page.wait_for("location.search == ''")
    assert "cassini admin sign-in-link" in text_of(page, ".problem")
