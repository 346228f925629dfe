"""One file per API: API_KEY, the VERSIONS that we serve, and `handle`."""
