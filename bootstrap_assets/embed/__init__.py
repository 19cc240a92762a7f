"""From texts to vectors: Voyage AI, or a local model that needs no key and no network."""
