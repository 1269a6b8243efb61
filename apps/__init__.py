"""The apps that the mesh carries traffic between."""
