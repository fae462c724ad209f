"""The two systems that need no model: the article's first sentences, and the best single sentence."""

from workshop.evaluation.rouge import WORDS, rouge_l
from workshop.news.sentences import sentences


def lead(article: str, num_sentences: int = 3) -> str:
    """Return the first sentences of an article, the baseline that news summaries are measured against.

    Args:
        num_sentences: How many sentences; lead-3 is the usual one.
    """
    return " ".join(sentences(article)[:num_sentences])


def best_sentence(article: str, reference: str) -> str:
    """Return the one sentence of an article that is closest to the reference.

    It is an oracle: it looks at the answer, so it bounds what copying one sentence can reach. Closest means
    the highest word ROUGE-L; the earlier sentence wins a tie.
    """
    return max(sentences(article), key=lambda sentence: rouge_l(reference, sentence, WORDS), default="")
