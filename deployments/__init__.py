"""How the flows are run: command line, work pools."""
