"""The n-gram language model of beam search: its texts and how it is estimated."""
