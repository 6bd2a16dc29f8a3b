"""The values that calls take and give, one file per API page."""
