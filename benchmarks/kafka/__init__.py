"""Meghna beside Apache Kafka in the same run: `python -m benchmarks.kafka`."""
