"""The scenarios by subject: the calls, inferred from names and answers."""
