"""A real Kubernetes of one to five nodes and the Pulumi toolchain, from package registries."""
