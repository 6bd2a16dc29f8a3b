"""How one call is carried out."""
