"""Review in Argilla: what is asked, who is asked, and what the answers come to."""
