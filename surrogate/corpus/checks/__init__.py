"""What is wrong with the runs of a corpus, one by one and side by side."""
