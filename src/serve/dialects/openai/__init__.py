"""OpenAI's bodies and answers, which every dialect speaks in its own accent."""
