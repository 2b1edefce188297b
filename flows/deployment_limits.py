"""Numbers and names of the deployments; loads nothing, since options of the command line are made of them."""

POOL = "lakebed"
# one run at a time on one artifact root: further ones wait in the root's queue
QUEUE_LIMIT = 1
HEARTBEAT_S = 30
MIN_SILENT_S = 3 * HEARTBEAT_S
# a kernel may hold the interpreter for minutes, and no heartbeat is sent meanwhile
SILENT_S = 600
MIN_INTERVAL_S = 10
