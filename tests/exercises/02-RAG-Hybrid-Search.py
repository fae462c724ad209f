"""What holds after each exercise of 02-RAG-Hybrid-Search."""

# %% 1
shared_terms, shared_before = ({row[0]: row[3].split() for row in table} for table in (rows, before.rows))
assert "섬빛은행" in shared_before["stems"], shared_before
assert shared_terms["stems"] == ["한도"], shared_terms
assert "은행" in shared_terms["bigrams"], shared_terms
assert hits[0]["text"] == told, "bigrams, searched last, find the other text first"

# %% 2
assert len(before.hits) == 5, before.hits
assert len(hits) < 5, hits

# %% 3
assert [one.id for one in documents] != [one.id for one in before.documents]
assert len(documents) == len(before.documents) == 3
for first in (documents[0], before.documents[0]):
    assert 1 / 61 <= first.metadata["score"] + 1e-9 <= 2 / 61 + 2e-9, first
