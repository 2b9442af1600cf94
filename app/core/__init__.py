"""What every area builds on; knows no help-desk word."""
