"""A real one-node Kubernetes and the Pulumi toolchain, from package registries alone."""
