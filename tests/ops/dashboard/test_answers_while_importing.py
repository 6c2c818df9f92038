"""The page answers while a thread of its own imports: Plotly looks at modules that are only half there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMPORTS = 400
"""At least so many modules come with a verdict's bootstrap; at each of them the page is asked."""
SCRIPT = """
import importlib.abc, queue, sys, threading

from ops.dashboard.app import make_app
from ops.dashboard.desk import make_desk
from ops.settings import Settings

client = make_app(make_desk(Settings()), None).server.test_client()
question = {
    "output": "..view.children...nav.children..",
    "outputs": [{"id": "view", "property": "children"}, {"id": "nav", "property": "children"}],
    "inputs": [{"id": "url", "property": "pathname", "value": "/"}],
    "changedPropIds": ["url.pathname"],
}
def ask():
    answer = client.post("/_dash-update-component", json=question)
    assert answer.status_code == 200, answer.text

ask()
moments, go_on, asked = queue.Queue(), queue.Queue(), 0

class Pause(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if threading.current_thread() is importer:
            moments.put(name)
            go_on.get(timeout=60)

def verdict():
    try:
        import arch.bootstrap
    finally:
        moments.put(None)

sys.meta_path.insert(0, Pause())
importer = threading.Thread(target=verdict, daemon=True)
importer.start()
while moments.get(timeout=60) is not None:
    ask()
    asked += 1
    go_on.put(None)
print(asked)
"""


def test_no_answer_fails_while_the_judge_imports_what_a_verdict_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert int(done.stdout) > IMPORTS
