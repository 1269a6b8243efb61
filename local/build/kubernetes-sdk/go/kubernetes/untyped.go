// Package kubernetes is the part of the plugin's Go SDK that the plugin's own
// code needs: see ../../go.mod.
package kubernetes

import "reflect"

// UntypedArgs are the arguments of an object of any kind.
type UntypedArgs map[string]any

// ElementType makes UntypedArgs an input of the Pulumi SDK.
func (UntypedArgs) ElementType() reflect.Type { return reflect.TypeFor[map[string]any]() }
