// In place of the Go SDK of Pulumi's kubernetes plugin, which the plugin's components for YAML, Helm
// and Kustomize refer to: 26 MB of generated code, ten minutes of compiling, for four symbols.
module github.com/pulumi/pulumi-kubernetes/sdk/v4

go 1.24.0

require github.com/pulumi/pulumi/sdk/v3 v3.215.0
