"""Where the mesh and the apps run: each module gives a `Cluster`."""
