"""The programs of docs/how-to/, on the real servers."""
