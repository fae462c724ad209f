"""What the story of track 03 reads: the map of its topics, figures that were measured, and its slides."""
