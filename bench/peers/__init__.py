"""Other programs that run a text beside data: how each is started, called and stopped. ``make peers`` installs them."""
