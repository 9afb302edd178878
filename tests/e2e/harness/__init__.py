"""What the end-to-end tests stand on: programs, stacks of them, a client, media, and judges of media."""
