"""The broker: the C server, the data directory, metadata and groups, put together; and requests."""
