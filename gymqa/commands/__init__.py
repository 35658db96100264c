"""One file a command of `gymqa`; with cli.py and demo.py the only code that knows every room."""
