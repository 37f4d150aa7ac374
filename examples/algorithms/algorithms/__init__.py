"""Small numerical functions whose answers, and whose reproducibility, are worth checking."""
