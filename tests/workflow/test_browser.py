"""The report as a reader has it: one page in a browser that has no network."""

import json
import re
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest
from conftest import SMOKE

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs Debian's packages chromium and chromium-driver",
)

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Wide enough for a desk, and narrow as a telephone; and how high the window is.
WIDTHS, HEIGHT = (1280, 400), 900


class Browser:
    """A headless Chromium, spoken to by the WebDriver protocol."""

    def __init__(self, address: str, profile: str, width: int):
        self.address = address
        chrome = {"args": [*OPTIONS, f"--user-data-dir={profile}", "--window-size=1280,900"]}
        wanted = {"goog:chromeOptions": chrome}
        wanted["goog:loggingPrefs"] = {"browser": "ALL", "performance": "ALL"}
        made = self._call("POST", "session", capabilities={"alwaysMatch": wanted})
        self.session = f"session/{made['sessionId']}"
        # A window cannot be as narrow as a telephone, but what it shows can.
        shown = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", **shown)

    def open(self, path) -> None:
        """Open a file and wait until the page stands."""
        self._call("POST", f"{self.session}/url", url=path.resolve().as_uri())
        self.wait(
            "document.querySelector('.prose') && document.querySelector('#rulegraph canvas,"
            " #rulegraph svg')"
        )

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Until a condition holds."""
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, condition
            time.sleep(0.1)

    def run(self, script: str, *arguments):
        """What a script returns."""
        return self._call("POST", f"{self.session}/execute/sync", script=script, args=arguments)

    def log(self, kind: str) -> list[dict]:
        """What has been logged since the last call."""
        return self._call("POST", f"{self.session}/se/log", type=kind)

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", self.session)

    def _devtools(self, command: str, **parameters) -> None:
        place = f"{self.session}/goog/cdp/execute"
        self._call("POST", place, cmd=command, params=parameters)

    def _call(self, method: str, place: str, **content):
        body = json.dumps(content).encode() if method == "POST" else None
        asked = urllib.request.Request(f"{self.address}/{place}", body, method=method)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.loads(answer.read())["value"]


@contextmanager
def browsing(folder, width):
    """A browser of its own for a test."""
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        try:
            ports = (
                re.search(r"started successfully on port (\d+)", line) for line in driver.stdout
            )
            port = next(found[1] for found in ports if found)
            browser = Browser(f"http://127.0.0.1:{port}", str(folder / "profile"), width)
            yield browser
            browser.close()
        finally:
            driver.terminate()


@pytest.fixture(scope="session")
def report(finished, tmp_path_factory):
    """The report of the smoke run."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    finished.snakemake("--report", str(path), *SMOKE)
    return path


@pytest.fixture(params=WIDTHS)
def page(request, report, tmp_path):
    """The report in a browser."""
    with browsing(tmp_path, request.param) as browser:
        browser.open(report)
        browser.width = request.param
        yield browser


PICTURES = """
return [...document.querySelectorAll('.prose img')].map(
    (i) => [i.alt, i.complete, i.naturalWidth, i.getBoundingClientRect().width])
"""

DEAD_LINKS = """
return [...document.querySelectorAll('.prose a[href]')].map((a) => a.getAttribute('href'))
    .filter((h) => !(h.startsWith('#') && document.getElementById(decodeURIComponent(h.slice(1)))))
"""

TWICE = """
const seen = [...document.querySelectorAll('.prose [id]')].map((e) => e.id);
return seen.filter((id, i) => seen.indexOf(id) !== i)
"""

# What is wider than the page and lies in no box that scrolls.
CUT_OFF = """
const wide = document.querySelector('.prose').parentElement.parentElement;
const page = wide.parentElement.getBoundingClientRect().right;
const boxed = (e) => e !== wide && (['auto', 'scroll'].includes(getComputedStyle(e).overflowX)
    || boxed(e.parentElement));
return [...wide.querySelectorAll('*')]
    .filter((e) => e.getBoundingClientRect().right > page + 1 && !boxed(e.parentElement))
    .map((e) => `${e.tagName}.${e.className.baseVal ?? e.className}: ${e.textContent.slice(0, 40)}`)
"""


def test_the_page_makes_no_error_and_no_request(page):
    assert [entry for entry in page.log("browser") if entry["level"] == "SEVERE"] == []
    messages = [json.loads(entry["message"])["message"] for entry in page.log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    # The browser's own first page, the report, and what lies within it.
    assert {url.split(":")[0] for url in asked} <= {"chrome", "file", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1


def test_every_picture_is_there_and_every_link_leads_somewhere(page):
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    page.wait("[...document.querySelectorAll('.prose img')].every((i) => i.complete)")
    pictures = page.run(PICTURES)
    assert len(pictures) == 7 + 32  # thumbnails, and figures
    assert all(alt and whole and natural and shown for alt, whole, natural, shown in pictures)
    assert page.run(DEAD_LINKS) == []
    assert page.run(TWICE) == []


def test_nothing_is_cut_off(page):
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.run(CUT_OFF) == []
    assert page.run("return document.querySelector('#rulegraph').offsetHeight") <= HEIGHT / 2
    wide = "const w = document.querySelector('.prose').parentElement.parentElement.parentElement;"
    assert page.run(f"{wide} return w.scrollWidth - w.clientWidth") <= 0
    assert page.run("return document.querySelector('.prose').clientWidth") > 0.7 * page.width - 130


def test_the_contents_lead_to_their_sections(page):
    links = page.run(
        "return [...document.querySelectorAll('.contents a')].map((a) => a.getAttribute('href'))"
    )
    assert len(links) >= 14
    assert "#fit-mcmc_shallow" in links
    for place in links:
        page.run("document.querySelector(`.contents a[href='${arguments[0]}']`).click()", place)
        top = f"document.getElementById('{place[1:]}').getBoundingClientRect().top"
        page.wait(f"{top} >= -1 && {top} < {HEIGHT}")


def test_the_menu_still_works(page):
    page.run(
        "[...document.querySelectorAll('nav:not(.contents) a')].find((a) =>"
        " a.textContent.includes('Statistics')).click()"
    )
    page.wait("document.querySelector('#app').textContent && !document.querySelector('.prose')")
    assert [entry for entry in page.log("browser") if entry["level"] == "SEVERE"] == []
