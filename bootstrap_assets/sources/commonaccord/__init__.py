"""The source CommonAccord."""
