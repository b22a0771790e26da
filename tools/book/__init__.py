"""The book: from the committed outputs to pages, a PDF, and what the page Try it runs."""
