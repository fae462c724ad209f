"""JupyterLab as `make lab` starts it, and its notebooks by the menus that a person clicks.

Notebooks are those of the repository and are never saved: autosave is off. News, updates and the user's own
settings and workspaces stay out.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.browser.chromium import LOOK, REPO_DIR
from tests.setup.test_lab import started

from processes.ports import free_port

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

LEAST_CONTRAST = 4.5  # of words of ordinary size
START_TIMEOUT_S, CELLS_TIMEOUT_S, LOOK_AGAIN_S = 90, 600, 0.1
SETTINGS = {"docmanager-extension/plugin": {"autosave": False}}
CURRENT = "const panel = window.jupyterapp.shell.currentWidget, notebook = panel.content;"
# Outputs of cells far from the screen are not part of the page: each cell is scrolled to, and then looked at.
LOOKED_AT = (
    CURRENT
    + LOOK
    + """
const cell = notebook.widgets[arguments[0]].node;
if (!cell.isConnected) return ["is not drawn"];
const edge = (notebook.outerNode ?? notebook.node).getBoundingClientRect().right;
const outputs = [...cell.querySelectorAll(".jp-OutputArea-output")];
return [
  ...whatIsWrong([...outputs, ...cell.querySelectorAll(".cm-scroller")], edge),
  ...outputs.flatMap((one) => whatIsFaint(one, arguments[1])),
];
"""
)
SHOWN = """
const [index, done] = arguments;
notebook.activeCellIndex = index;
notebook.scrollToItem(index, "start").then(() => requestAnimationFrame(() => setTimeout(done, 50)));
"""
THEME = """
const [theme, done] = arguments;
window.jupyterapp.commands.execute("apputils:change-theme", {theme}).then(() => setTimeout(done, 1000));
"""
STATE = """
const waits = [...notebook.widgets].some((one) => one.model.executionState === "running");
return [panel.sessionContext.session?.kernel?.status ?? "none", waits];
"""


class Notebook:
    """An open notebook.

    Args:
        browser: Shows it.
        path: Of the notebook.
    """

    def __init__(self, browser: Chrome, path: Path) -> None:
        self._browser, self.path = browser, path

    def model(self) -> list[dict[str, Any]]:
        """Return the cells as JupyterLab has them now."""
        return self._browser.execute_script(CURRENT + "return panel.model.toJSON().cells;")

    def select(self, index: int) -> None:
        """Click a cell's number into focus and scroll to it."""
        self._browser.execute_async_script(CURRENT + SHOWN, index)

    def choose(self, menu: str, command: str) -> None:
        """Choose an entry of a menu by its command."""
        from selenium.webdriver.common.by import By

        self.click(By.XPATH, f"//li[contains(@class, 'lm-MenuBar-item')][contains(., '{menu}')]")
        self.click(By.CSS_SELECTOR, f".lm-Menu-item[data-command='{command}']")

    def click(self, by: str, what: str) -> None:
        from selenium.webdriver.support import expected_conditions as is_so
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self._browser, START_TIMEOUT_S).until(is_so.element_to_be_clickable((by, what))).click()

    def run_all(self, **options: Any) -> None:
        """Run > Run All Cells."""
        self.choose("Run", "runmenu:run-all")
        self.wait(**options)

    def run_above(self, index: int) -> None:
        """Run > Run All Above Selected Cell."""
        self.select(index)
        self.choose("Run", "notebook:run-all-above")
        self.wait()

    def run_cells(self, *indices: int) -> None:
        """Run > Run Selected Cell and Do not Advance, on each."""
        for index in indices:
            self.select(index)
            self.choose("Run", "notebook:run-cell")
            self.wait()

    def restart(self) -> None:
        """Kernel > Restart Kernel, and yes."""
        from selenium.webdriver.common.by import By

        self.choose("Kernel", "kernelmenu:restart")
        self.click(By.CSS_SELECTOR, ".jp-Dialog .jp-mod-accept")
        self.wait()

    def wait(self, timeout_s: float = CELLS_TIMEOUT_S, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until the kernel has nothing to do and no cell waits for it."""
        until_s, idle = time.monotonic() + timeout_s, 0
        while idle < 3:
            state = self._browser.execute_script(CURRENT + STATE)
            idle = idle + 1 if state == ["idle", False] else 0
            meanwhile()
            assert time.monotonic() < until_s, f"{self.path.name}: {state} after {timeout_s:.0f} s"
            time.sleep(LOOK_AGAIN_S)

    def place_of(self, heading: str) -> int:
        """Return the number of the cell that a heading begins, for example "## 8. "."""
        return next(
            number
            for number, cell in enumerate(self.model())
            if f"\n{cell['source']}".find(f"\n{heading}") >= 0
        )

    def code_between(self, first: int, last: int) -> list[int]:
        """Return the number of each code cell from one cell up to another."""
        return [n for n, cell in enumerate(self.model()) if first <= n < last and cell["cell_type"] == "code"]

    def errors(self) -> list[str]:
        """Return the error of each cell that has one."""
        return [
            f"{number} {output['ename']}: {output['evalue']}"
            for number, cell in enumerate(self.model())
            for output in cell.get("outputs", ())
            if output["output_type"] == "error"
        ]

    def not_run(self) -> list[int]:
        """Return the number of each code cell that has not run."""
        return [
            number
            for number, cell in enumerate(self.model())
            if cell["cell_type"] == "code" and cell["execution_count"] is None
        ]

    def look(self, pictures: Path) -> list[str]:
        """Scroll to every code cell; return what of it is wrong; keep a picture of those with an output."""
        found, stem = [], self.path.stem
        for number, cell in enumerate(self.model()):
            if cell["cell_type"] != "code":
                continue
            self.select(number)
            if cell["outputs"]:
                self._browser.save_screenshot(str(pictures / f"{stem}-{number:02}.png"))
            wrong = self._browser.execute_script(LOOKED_AT, number, LEAST_CONTRAST)
            found += [f"{stem} [{number}] {one}" for one in wrong]
        return found


class Lab:
    """A running JupyterLab.

    Args:
        browser: Shows it.
        url: Of its server.
        token: Of whoever may open it.
    """

    def __init__(self, browser: Chrome, url: str, token: str) -> None:
        self._browser, self._url, self._token = browser, url, token

    def open(self, path: Path) -> Notebook:
        """Open a notebook alone in a workspace of its own, with its kernel ready."""
        from selenium.webdriver.support.wait import WebDriverWait

        place = quote(str(path.relative_to(REPO_DIR)))
        self._browser.get(f"{self._url}/lab/workspaces/{path.stem}/tree/{place}?token={self._token}&reset")
        ready = f"""
            const app = window.jupyterapp, panel = app?.shell?.currentWidget;
            return panel?.context?.path === {json.dumps(str(path.relative_to(REPO_DIR)))}
              && panel.context.isReady && panel.sessionContext?.session?.kernel?.status === "idle";
        """
        WebDriverWait(self._browser, START_TIMEOUT_S).until(lambda one: one.execute_script(ready))
        return Notebook(self._browser, path)

    def theme(self, name: str) -> None:
        """Settings > Theme > JupyterLab Light, or Dark."""
        self._browser.execute_async_script(THEME, f"JupyterLab {name}")

    def close(self) -> None:
        """Shut the kernel of the open notebook down; what was not saved is lost."""
        self._browser.execute_async_script(
            CURRENT + "const done = arguments[0]; panel.sessionContext.shutdown().then(() => done());"
        )


@contextmanager
def jupyterlab(browser: Chrome, folder: Path) -> Iterator[Lab]:
    """Start what `make lab` starts, on a free port, without a window; end it with its kernels.

    Args:
        browser: Shows it.
        folder: For its settings, workspaces and log.
    """
    (command,) = [line for line in started().splitlines() if "bin/jupyter lab" in line]
    for name, value in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--LabApp.expose_app_in_browser=True"]
    environ = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    log = folder / "jupyter.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command.split(), *options],
            cwd=REPO_DIR, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Lab(browser, f"http://localhost:{port}", _token(log, server))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(START_TIMEOUT_S)


def _token(log: Path, server: subprocess.Popen[bytes]) -> str:
    until_s = time.monotonic() + START_TIMEOUT_S
    while True:
        told = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"/lab\S*\?token=(\w+)", told):
            return found[1]
        assert server.poll() is None, told[-3000:]
        assert time.monotonic() < until_s, told[-3000:]
        time.sleep(LOOK_AGAIN_S)
