"""multilingual-e5-small, from the copy in 4 bits that ships in a package: nothing is downloaded."""
