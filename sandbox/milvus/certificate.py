"""The certificate Milvus serves when nobody gave it one.

The image of Milvus ships `configs/cert/server.pem`, its key and the CA that signed it: CN=localhost, SAN localhost,
RSA-2048, a private key that everybody knows (milvus configs/cert). An equivalent is made at run time, since
`common.security.tlsMode: 1` without any certificate leaves Milvus 2.3.5 unhealthy for ever.
"""

from pathlib import Path

from sandbox.ca import CertificateAuthority


def write_shipped_certificate(directory: Path) -> None:
    """Write server.pem, server.key and ca.pem unless they are there."""
    if (directory / "server.pem").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    authority = CertificateAuthority("Milvus image CA")
    leaf = authority.issue("localhost")
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
    key = directory / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(leaf.key_pem)
    (directory / "server.pem").write_bytes(leaf.certificate_pem)
