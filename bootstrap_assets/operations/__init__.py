"""Between the pipeline and other programs: requests, events, progress, and how long they are kept."""
