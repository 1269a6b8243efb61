// Package yaml refuses the components that this build of the plugin lacks.
package yaml

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource would register an object that a YAML, Helm or Kustomize
// component has rendered. The typed resources that it takes are the SDK's 26 MB
// of generated code, and nothing in this project uses such a component.
func RegisterResource(
	_ *pulumi.Context, _, kind, name string, _ pulumi.Input, _ ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	return nil, fmt.Errorf(
		"%s %s: this build of the kubernetes plugin has no YAML, Helm or Kustomize components; "+
			"install Pulumi's own with `pulumi plugin install resource kubernetes`", kind, name)
}
