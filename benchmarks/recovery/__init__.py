"""How long a broker takes to be back after a SIGKILL and after a power cut, beside Apache Kafka."""
