"""pytest options, fixtures and markers."""
