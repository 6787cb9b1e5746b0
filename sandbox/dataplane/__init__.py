"""Google's front ends and health probers: Envoy, configured from Compute resources and from nothing else."""
