"""What holds after each exercise of 03-Prompt-RAG-FineTune."""

# %% 1
first_right, first_before = (
    sum(
        is_right_answer(row.answer, one.answers, question=one.model_text)
        for row, one in zip(rows[:5], questions[:5], strict=True)
    )
    for rows in (few_shot, before.few_shot)
)
assert first_right > first_before, (first_right, first_before)

# %% 2
asked_with_one = sum(texts[0] == right[0] for texts, right in zip(top_three, right_article, strict=True))
assert sum(has_it) >= asked_with_one, (sum(has_it), asked_with_one)
assert of_both["RAG three"]["right"].mean() < of_both["RAG hybrid"]["right"].mean() - 0.3, of_both
assert all(len(texts) == 3 for texts in top_three)

# %% 3
of_wrong = wrong_scores["wrong article"]
assert of_wrong["right"].mean() < scores["right article"]["right"].mean() - 0.5, of_wrong
assert of_wrong["grounded"].mean() > of_wrong["right"].mean() + 0.5, of_wrong
