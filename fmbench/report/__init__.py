"""Shows results: tables, sentences, figures, the page."""
