"""A local GKE for Milvus behind a Layer-7 load balancer. It is not Google Cloud; README.md says where it differs."""
