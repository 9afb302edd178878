"""What the end-to-end tests share: programs, stacks, an API client, sample media, and checks of media."""
