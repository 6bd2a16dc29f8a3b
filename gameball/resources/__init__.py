"""What can be asked, one file per API page."""
