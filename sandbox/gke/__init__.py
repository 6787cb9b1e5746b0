"""What GKE runs for its L7 load balancers: the Ingress, NEG and ManagedCertificate controllers.

They are ordinary clients of the Kubernetes API and of the Compute API. Source keys such as "ingress-gce
pkg/translator" name files of github.com/kubernetes/ingress-gce, "gke-managed-certs pkg/..." of
github.com/GoogleCloudPlatform/gke-managed-certs.
"""
