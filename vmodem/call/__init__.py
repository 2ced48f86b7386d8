"""The far side of a call: from dial string to connected stream, and from listener to ringing."""
