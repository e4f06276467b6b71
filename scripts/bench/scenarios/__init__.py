"""What is measured. A scenario is a function of the kind of broker and the bench, and answers
{figure: (value, unit)}. It fails when records are lost or none was produced."""
from . import connections, consume, failover, fsync, latency, old_clients, partitions, produce, seek, start

ALL = {
    "produce": produce.measure,
    "replicated": produce.measure_replicated,
    "connections": connections.measure,
    "consume": consume.measure,
    "latency": latency.measure,
    "fsync": fsync.measure,
    "old-clients": old_clients.measure,
    "start": start.measure,
    "seek": seek.measure,
    "failover": failover.measure,
    "partitions": partitions.measure,
}

# Takes minutes, and what it counts hardly varies: one round, however many there are of the others.
ONCE = {"partitions"}
