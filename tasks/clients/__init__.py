"""Every connection to the outside: the only modules that read kubeconfig, credentials and environment.

Client libraries' exceptions stop here; what leaves is an error of `tasks.core.errors`, chained to its cause.
"""
