"""The part of HTTP that a scrape needs."""
