"""The evaluation as a page to read: HTML with figures, and Markdown."""
