"""Where calls come in: LISTEN strings, accepting, and what callers speak."""
