"""Generate as many news articles with summaries as wanted: `python -m sample.news.generator 5 --seed 1`.

Deterministic: the same seed gives the same rows on every machine and Python version.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from sample.news import articles, topics
from sample.news.names import DistinctNames

HELD_OUT_TOPICS, TRAINING_TOPICS = topics.HELD_OUT_TOPICS, topics.TRAINING_TOPICS


def rows(
    num_rows: int, seed: int, *, topics: Sequence[str] | None = None, held_out_names: bool = False
) -> Iterator[dict[str, str]]:
    """Yield rows in the columns of naver-news-summarization-ko.

    Args:
        num_rows: how many.
        seed: of the random source; every row is a function of the seed and the rows before it.
        topics: names of topics to draw from; TRAINING_TOPICS when left out.
        held_out_names: use the names that training text never has.

    Raises:
        ValueError: for a topic that does not exist.
    """
    for row, _ in rows_with_values(num_rows, seed, topics=topics, held_out_names=held_out_names):
        yield row


def rows_with_values(
    num_rows: int, seed: int, *, topics: Sequence[str] | None = None, held_out_names: bool = False
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield (row, values): as `rows`, with the names and numbers that were drawn, for checking summaries."""
    chosen = [_topic(name) for name in (TRAINING_TOPICS if topics is None else topics)]
    rng = random.Random(f"news {seed}")
    source = DistinctNames(rng, held_out=held_out_names)
    for index in range(num_rows):
        topic = rng.choice(chosen)
        source.forget()
        article = articles.write(rng, topic, source)
        day = f"2025-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        yield (
            {
                "date": f"{day} {rng.randint(6, 22):02d}:{rng.randint(0, 59):02d}:00",
                "category": topic.category,
                "press": rng.choice(articles.PRESSES),
                "title": article.title,
                "document": article.document,
                "link": f"https://news.example.com/generated/{seed}/{index:06d}",
                "summary": article.summary,
            },
            article.values,
        )


def _topic(name: str) -> topics.Topic:
    if name not in topics.BY_NAME:
        raise ValueError(f"found the topic {name!r}; expected one of {', '.join(topics.BY_NAME)}")
    return topics.BY_NAME[name]


def main() -> None:
    """Print generated rows as JSON lines."""
    import argparse
    import json

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num_rows", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--topics", nargs="+", choices=list(topics.BY_NAME), default=None)
    options = parser.parse_args()
    for row in rows(options.num_rows, options.seed, topics=options.topics):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
