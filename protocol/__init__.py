"""The contract between SessionFlow processes: bytes in, messages out, no sockets."""
