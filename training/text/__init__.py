"""Convert text to training targets: spelling, letters, phones, transliteration; choose usable sentences."""
