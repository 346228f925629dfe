"""What the cluster is: topics, partitions, leaders, settings; and how a change becomes durable."""
