// Command pulumi-resource-kubernetes is Pulumi's own kubernetes plugin, served
// as the module's main function serves it. That one embeds files which are
// generated and not in the module; here the schema lies beside the program.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	program, err := os.Executable()
	if err != nil {
		fail(err)
	}
	schema, err := os.ReadFile(filepath.Join(filepath.Dir(program), "schema.json"))
	if err != nil {
		fail(err)
	}
	provider.Serve("kubernetes", version.Version, schema, []byte("{}"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "pulumi-resource-kubernetes:", err)
	os.Exit(1)
}
