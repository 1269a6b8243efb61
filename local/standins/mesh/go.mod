module linkerd-canary.local/mesh

go 1.21
