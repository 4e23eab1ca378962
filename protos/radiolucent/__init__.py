"""Protocol buffers, laid out as their package says."""
