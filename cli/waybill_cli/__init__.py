"""`waybill`: the command-line client of Waybill's HTTP API.

commands/      one module per command group: what it takes, and what it does
main           parses the command line, runs the command, turns failures into exit statuses
commandline    options and argument types that commands share
show           how jobs and reports look to a person
watch          follows a job to its end
output         results on stdout, progress on stderr
client         the client library, signed in; downloads: saving its files
profile        which Waybill to talk to; signin: as whom
failures       the tree of errors
"""

from waybill_client import __version__

__all__ = ["__version__"]
