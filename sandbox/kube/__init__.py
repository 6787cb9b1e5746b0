"""The sandbox's Kubernetes API server: what kube-apiserver does for the guide's clients, held in memory."""
