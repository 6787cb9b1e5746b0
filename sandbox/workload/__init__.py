"""What a node and kube-controller-manager do in a real cluster, as far as a Milvus release needs it."""
