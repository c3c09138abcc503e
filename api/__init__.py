"""HTTP front end: takes recordings in, hands out jobs, transcripts and pictures."""
