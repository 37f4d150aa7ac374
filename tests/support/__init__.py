"""What the end-to-end tests share: engines of their own, functions from source, a census."""
