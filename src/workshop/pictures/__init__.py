"""The concept pictures of img/: drawn by `make pictures`, shown by notebooks, report and slides."""
