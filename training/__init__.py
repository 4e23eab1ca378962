"""Training of the networks, and their way into the model repository.

Importing this package loads none of torch, timm or lightning: the commands stay quick until they work.
"""
