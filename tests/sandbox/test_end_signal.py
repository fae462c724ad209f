"""The signal that ends the sandbox is never slept over."""

from __future__ import annotations

import subprocess
import sys

NUM_SIGNALS = 20_000
# Each signal is sent by another thread while the main one begins to wait for it. With a threading.Event that
# a handler sets, fewer than 100 of them brought about a wait without an end.
PROGRAM = f"""
import os, signal, threading
from sandbox.end_signal import EndSignal

asked, end_signal = threading.Semaphore(0), EndSignal()

def send():
    while True:
        asked.acquire()
        os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=send, daemon=True).start()
for _ in range({NUM_SIGNALS}):
    asked.release()
    end_signal.wait()
print("none was missed")
"""


def test_no_signal_is_missed_whenever_it_comes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "none was missed\n", done.stderr


def test_a_signal_that_came_before_the_wait_ends_it_at_once() -> None:
    program = (
        "import os, signal; from sandbox.end_signal import EndSignal; end_signal = EndSignal();"
        " os.kill(os.getpid(), signal.SIGINT); end_signal.wait(); print('ended')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "ended\n", done.stderr
