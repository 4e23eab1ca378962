"""The explanation engine: requests become jobs, jobs become items, workers explain them."""
