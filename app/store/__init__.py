"""Tables and named queries. SQL lives here and in a slice's tables.py, nowhere else."""
