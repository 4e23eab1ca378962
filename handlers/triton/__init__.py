"""The ensemble's Python models, run by Triton in processes of its own."""
