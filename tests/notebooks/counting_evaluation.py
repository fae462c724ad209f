"""A pipeline's evaluation in no time: the more rows a model was trained on, the better it is.

python counting_evaluation.py --model FOLDER --test FOLDER --production FOLDER --output FOLDER

leaves evaluation.json in the form of src/workshop/pipeline/report.py.
"""

import argparse
import json
from pathlib import Path

LEAD_3 = 0.5

parser = argparse.ArgumentParser()
for name in ("model", "test", "production", "output"):
    parser.add_argument(f"--{name}", type=Path, required=True)
options = parser.parse_args()

num_rows = int(json.loads((options.model / "metrics.json").read_text())["max_train_rows"])
score = 1 - 1 / num_rows
production = options.production / "evaluation.json"
is_first = not production.is_file()
old = LEAD_3 if is_first else json.loads(production.read_text())["score"]["value"]
num_articles = len((options.test / "test.jsonl").read_text().splitlines())


def around(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.001, "high": value + 0.001}


report = {
    "metric": "word_rouge_l",
    "score": around(score),
    "gain": {
        "over": "lead-3" if is_first else "production",
        "verdict": "better" if score > old else "worse",
        **around(score - old),
        "p_value": 0.0,
        "num_articles": num_articles,
    },
    "metrics": {"word_rouge_l": around(score)},
    "lead_3": {"word_rouge_l": around(LEAD_3)},
}
options.output.mkdir(parents=True, exist_ok=True)
(options.output / "evaluation.json").write_text(json.dumps(report))
