"""What an import has to find out before it writes: whose account, and which lines came before."""
