"""Archives: found or downloaded, checked, and read safely."""
