"""The source CUAD."""
