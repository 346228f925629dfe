"""The library beside what else a Python program keeps records with; `make bench-library`."""
