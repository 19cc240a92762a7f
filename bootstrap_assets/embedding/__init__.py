"""From texts to vectors: batches, requests, what is paid once, where vectors are kept."""
