"""What a process that runs `provision` imports, all of it; for a server that forks such processes."""

from tasks.clients import imports, milvus

for _module in ("kubernetes.client", "google.cloud.compute_v1", "google.cloud.dns"):
    imports.load(_module)
milvus.load()
imports.load("tests.workers.mortal")
