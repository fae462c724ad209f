"""What the story of track 03 reads: the map of its topics, and figures that were measured."""
