"""The backend: real Milvus servers, one process each."""
