"""What is told while the work goes on, and what was asked for: progress, requests, events."""
