"""The data directory: who holds it, what lies in it, and the upkeep of its logs."""
