"""What stages share: how one starts and ends, where files are, what the parameters say."""
