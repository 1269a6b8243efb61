module linkerd-canary.local/testserver

go 1.21
