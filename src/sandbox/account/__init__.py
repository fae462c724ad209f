"""What an account is asked before something is made in it: its quotas, and AWS's price list."""
