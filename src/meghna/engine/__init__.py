"""The library: a data directory open in a Python program, without a server or threads of ours."""
