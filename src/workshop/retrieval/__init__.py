"""Search in Korean news: by words, by meaning and by both, and how well each finds what was asked for."""
