// Package helm has the argument types that the plugin's Helm code refers to.
package helm

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// RepositoryOpts says where a chart is fetched from.
type RepositoryOpts struct {
	CaFile   pulumi.AssetOrArchive `pulumi:"caFile"`
	CertFile pulumi.AssetOrArchive `pulumi:"certFile"`
	KeyFile  pulumi.AssetOrArchive `pulumi:"keyFile"`
	Password *string               `pulumi:"password"`
	Repo     *string               `pulumi:"repo"`
	Username *string               `pulumi:"username"`
}

// RepositoryOptsInput is RepositoryOpts as an input.
type RepositoryOptsInput = pulumi.Input

// PostRenderer is a command that rewrites a rendered chart.
type PostRenderer struct {
	Args    []string `pulumi:"args"`
	Command string   `pulumi:"command"`
}

// PostRendererInput is PostRenderer as an input.
type PostRendererInput = pulumi.Input
